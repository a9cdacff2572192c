#include "controller.h"

static void enter(controller *self, controller_mode mode)
{
    if (self->mode != mode) {
        self->mode = mode;
        self->samples_in_mode = 0u;
    }
}

void controller_init(controller *self)
{
    self->mode = CONTROLLER_INIT;
    self->samples_in_mode = 0u;
    crumple_init(&self->discrimination);
    safing_init(&self->safing);
}

/* Both paths, and what follows from them, in NORMAL and ARMED. */
static void watch(controller *self, int16_t main_lsb, int16_t safing_lsb, controller_output *output)
{
    const crumple_status status = crumple_step(&self->discrimination, main_lsb);
    output->y = status.y;
    output->fire_request = status.fire_request;
    output->armed = safing_step(&self->safing, safing_lsb);
    if (output->fire_request && output->armed) {
        enter(self, CONTROLLER_FIRE);
    } else if (output->armed) {
        enter(self, CONTROLLER_ARMED);
    } else {
        enter(self, CONTROLLER_NORMAL);
    }
}

controller_output controller_step(controller *self, int16_t main_lsb, int16_t safing_lsb)
{
    controller_output output = {0, CONTROLLER_INIT, false, false, false};
    self->samples_in_mode += 1u;
    switch (self->mode) {
    case CONTROLLER_INIT:
        if (self->samples_in_mode >= CONTROLLER_INIT_SAMPLES) {
            enter(self, CONTROLLER_NORMAL);
        }
        break;
    case CONTROLLER_NORMAL:
    case CONTROLLER_ARMED:
        watch(self, main_lsb, safing_lsb, &output);
        break;
    case CONTROLLER_FIRE:
        if (self->samples_in_mode >= CONTROLLER_FIRE_SAMPLES) {
            enter(self, CONTROLLER_CRASH_LOCK);
        }
        break;
    case CONTROLLER_CRASH_LOCK:
    default:
        /* Locked for good; an impossible mode is treated alike, since it must not fire. */
        enter(self, CONTROLLER_CRASH_LOCK);
        break;
    }
    output.mode = self->mode;
    output.squib_on = self->mode == CONTROLLER_FIRE;
    return output;
}

size_t controller_size(void)
{
    return sizeof(controller);
}

void controller_run(controller *self, const int16_t *main_lsb, const int16_t *safing_lsb, size_t n, int64_t *y,
                    uint8_t *mode, uint8_t *flags)
{
    controller_init(self);
    for (uint32_t k = 0u; k < CONTROLLER_INIT_SAMPLES; ++k) {
        (void)controller_step(self, 0, 0);
    }
    for (size_t k = 0u; k < n; ++k) {
        const controller_output output = controller_step(self, main_lsb[k], safing_lsb[k]);
        y[k] = output.y;
        mode[k] = (uint8_t)output.mode;
        flags[k] = (uint8_t)((output.fire_request ? 1u : 0u) | (output.armed ? 2u : 0u) | (output.squib_on ? 4u : 0u));
    }
}

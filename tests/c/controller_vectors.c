/* Cases of the controller that nothing from outside brings about: marks in the non-volatile memory, changed parameters,
 * spoilt memory. Returns the line of the first expectation that does not hold, 0 if all do.
 *
 * The model is that of the tests: 1900 counts on the main and 400 on the safing sensor fire it within some samples. */
#include "controller.h"
#include "drive.h"
#include "mirror.h"

#include "crumple_calibration.h"

#define EXPECT(holds)                                                                                                  \
    do {                                                                                                               \
        if (!(holds)) {                                                                                                \
            return __LINE__;                                                                                           \
        }                                                                                                              \
    } while (0)

#define REST 0
#define CRASH_MAIN 1900
#define CRASH_SAFING 400
#define UNSUITED_MODE 42u

int controller_vectors(void);

static uint32_t now_us;

static controller_input healthy(int16_t main_lsb, int16_t safing_lsb)
{
    controller_input input;
    drive_words(&main_lsb, &safing_lsb, 1u, &input);
    now_us += WATCHDOG_PERIOD_US;
    input.clock_us = now_us;
    return input;
}

static controller_output tick(controller *self, int16_t main_lsb, int16_t safing_lsb)
{
    const controller_input input = healthy(main_lsb, safing_lsb);
    return controller_step(self, &input);
}

static controller_output mirrored_tick(mirrored_controller *self, int16_t main_lsb, int16_t safing_lsb)
{
    const controller_input input = healthy(main_lsb, safing_lsb);
    return mirrored_step(self, &input);
}

/* At rest until NORMAL, or as far as it gets. */
static controller_output settled(controller *self)
{
    controller_output output = tick(self, REST, REST);
    for (uint32_t k = 0u; k < CONTROLLER_INIT_SAMPLES; ++k) {
        output = tick(self, REST, REST);
    }
    return output;
}

static int starts(void)
{
    controller self;
    controller_init(&self);
    EXPECT(self.mode == CONTROLLER_OFF_RESET);
    EXPECT(tick(&self, REST, REST).mode == CONTROLLER_INIT);
    controller_init(&self);
    EXPECT(settled(&self).mode == CONTROLLER_NORMAL);
    return 0;
}

/* Neither a plant nor a locked unit fires, and a mark with a flipped bit still locks but tells of no crash. */
static int marks(void)
{
    controller self;
    controller_init(&self);
    self.memory.plant_key = CONTROLLER_PLANT_KEY;
    EXPECT(settled(&self).mode == CONTROLLER_PLANT);
    for (uint32_t k = 0u; k < 200u; ++k) {
        const controller_output output = tick(&self, CRASH_MAIN, CRASH_SAFING);
        EXPECT((output.mode == CONTROLLER_PLANT) && (output.current_ma[0] == 0u) && output.lamp);
    }
    controller_init(&self);
    self.memory.locked = CONTROLLER_LOCKED ^ 1u;
    EXPECT(settled(&self).mode == CONTROLLER_CRASH_LOCK);
    EXPECT(!tick(&self, CRASH_MAIN, CRASH_SAFING).crash_output);
    controller_init(&self);
    self.memory.locked = CONTROLLER_LOCKED;
    EXPECT(settled(&self).crash_output);
    return 0;
}

static int foreign_parameters(void)
{
    controller self;
    crumple_parameters parameters = crumple_built_in;
    parameters.output_bias ^= 1;
    controller_init_with(&self, &parameters);
    EXPECT(settled(&self).mode == CONTROLLER_FAULT);
    EXPECT((self.memory.trouble & TROUBLE_PARAMETERS) != 0u);
    return 0;
}

/* All cases of (fires || due) && changed: fires and changed, fires and right, due and changed, due and right, neither. */
static int parameters_that_change(void)
{
    controller self;
    crumple_parameters parameters = crumple_built_in;
    controller_output output;
    uint32_t waited = 0u;

    controller_init_with(&self, &parameters);
    output = settled(&self);
    EXPECT(output.mode == CONTROLLER_NORMAL);
    for (uint32_t k = 0u; k < CONTROLLER_PARAMETERS_SAMPLES; ++k) { /* due and right within these */
        EXPECT(tick(&self, REST, REST).mode == CONTROLLER_NORMAL);
    }
    parameters.output_bias += 1;
    do { /* neither, until due and changed */
        output = tick(&self, REST, REST);
        waited += 1u;
    } while ((output.mode == CONTROLLER_NORMAL) && (waited <= CONTROLLER_PARAMETERS_SAMPLES));
    EXPECT((output.mode == CONTROLLER_FAULT) && (waited == CONTROLLER_PARAMETERS_SAMPLES));
    EXPECT((output.trouble & TROUBLE_PARAMETERS) != 0u);

    for (uint32_t changed = 0u; changed < 2u; ++changed) { /* fires and right, then fires and changed */
        bool fired = false;
        parameters = crumple_built_in;
        controller_init_with(&self, &parameters);
        (void)settled(&self);
        (void)tick(&self, REST, REST);
        parameters.output_bias += (int64_t)changed;
        for (uint32_t k = 0u; k < 40u; ++k) {
            output = tick(&self, (int16_t)(CRASH_MAIN - (int16_t)(k % 7u)), CRASH_SAFING);
            fired = fired || (output.current_ma[0] > 0u);
            if (output.fire_request && output.armed && output.sensors_agree && (changed == 1u)) {
                EXPECT(output.mode == CONTROLLER_FAULT);
                break;
            }
        }
        EXPECT(fired == (changed == 0u));
    }
    return 0;
}

static int modes_that_cannot_be(void)
{
    controller self;
    controller_output output;
    controller_init(&self);
    (void)settled(&self);
    self.mode = CONTROLLER_FIRE; /* its complement says otherwise */
    output = tick(&self, REST, REST);
    EXPECT((output.mode == CONTROLLER_OFF_RESET) && (output.current_ma[0] == 0u));
    EXPECT((output.trouble & TROUBLE_MEMORY) != 0u);
    controller_init(&self);
    (void)settled(&self);
    self.mode = (controller_mode)UNSUITED_MODE;
    self.mode_complement = ~UNSUITED_MODE;
    output = tick(&self, REST, REST);
    EXPECT((output.mode == CONTROLLER_FAULT) && ((output.trouble & TROUBLE_MEMORY) != 0u));
    return 0;
}

static int spoilt_memory(void)
{
    enum { STATE, COPY, SEAL, BOTH, N_CASES };
    for (int what = STATE; what < N_CASES; ++what) {
        mirrored_controller self;
        controller_output output;
        mirrored_init_with(&self, &crumple_built_in);
        for (uint32_t k = 0u; k <= CONTROLLER_INIT_SAMPLES; ++k) {
            output = mirrored_tick(&self, REST, REST);
        }
        EXPECT((output.mode == CONTROLLER_NORMAL) && (output.trouble == 0u));
        if ((what == STATE) || (what == BOTH)) {
            self.live.state.awake ^= 4u;
        }
        if ((what == COPY) || (what == BOTH)) {
            self.copy.state.loud ^= 1u;
        }
        if (what == SEAL) {
            self.seal ^= 0x80u;
        }
        output = mirrored_tick(&self, REST, REST);
        EXPECT((output.trouble & TROUBLE_MEMORY) != 0u);
        EXPECT(!output.awake);
        EXPECT(output.mode == ((what == BOTH) ? CONTROLLER_INIT : CONTROLLER_NORMAL));
        output = mirrored_tick(&self, REST, REST);
        EXPECT(output.trouble == TROUBLE_MEMORY);
    }
    return 0;
}

/* A part that is left out, comes twice or in another order is noticed. */
static int flow(void)
{
    static const uint32_t wrong[4][3] = {{1u, 3u, 0u}, {1u, 2u, 2u}, {1u, 3u, 2u}, {2u, 1u, 3u}};
    watchdog dog;
    watchdog_init(&dog);
    for (uint32_t k = 0u; k < 4u; ++k) {
        (void)watchdog_tick(&dog, k * WATCHDOG_PERIOD_US);
        for (uint32_t i = 0u; i < 3u; ++i) {
            if (wrong[k][i] != 0u) {
                watchdog_passed(&dog, wrong[k][i]);
            }
        }
        EXPECT(!watchdog_flow_is_right(&dog, 3u));
    }
    (void)watchdog_tick(&dog, 4u * WATCHDOG_PERIOD_US);
    for (uint32_t part = 1u; part <= 3u; ++part) {
        watchdog_passed(&dog, part);
    }
    EXPECT(watchdog_flow_is_right(&dog, 3u));
    return 0;
}

int controller_vectors(void)
{
    static int (*const all[])(void) = {starts, marks, foreign_parameters, parameters_that_change, modes_that_cannot_be,
                                       spoilt_memory, flow};
    for (size_t k = 0u; k < (sizeof(all) / sizeof(all[0])); ++k) {
        const int line = all[k]();
        if (line != 0) {
            return line;
        }
    }
    return 0;
}

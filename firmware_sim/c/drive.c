#include "drive.h"

#define HEALTHY_MV 13500u
#define HEALTHY_MOHM 2200u

static controller_input healthy(uint32_t tick, int16_t main_lsb, int16_t safing_lsb)
{
    const controller_input input = {frame_word(main_lsb), safing_word(safing_lsb), tick * WATCHDOG_PERIOD_US, HEALTHY_MV,
                                    {{HEALTHY_MOHM, 0u}, {HEALTHY_MOHM, 0u}}};
    return input;
}

size_t drive_controller_size(void)
{
    return sizeof(mirrored_controller);
}

size_t drive_input_size(void)
{
    return sizeof(controller_input);
}

size_t drive_output_size(void)
{
    return sizeof(controller_output);
}

void drive_start(mirrored_controller *self, const crumple_parameters *parameters)
{
    mirrored_init_with(self, (parameters != NULL) ? parameters : &crumple_built_in);
    /* One tick of OFF_RESET, then INIT; the clock ends one period before zero, where recordings begin. */
    for (uint32_t k = CONTROLLER_INIT_SAMPLES + 1u; k > 0u; --k) {
        const controller_input input = healthy(0u - k, 0, 0);
        (void)mirrored_step(self, &input);
    }
}

void drive_inputs(mirrored_controller *self, const controller_input *input, size_t n, controller_output *output)
{
    for (size_t k = 0u; k < n; ++k) {
        output[k] = mirrored_step(self, &input[k]);
    }
}

void drive_counts(mirrored_controller *self, const int16_t *main_lsb, const int16_t *safing_lsb, size_t n,
                  controller_output *output)
{
    for (size_t k = 0u; k < n; ++k) {
        const controller_input input = healthy((uint32_t)k, main_lsb[k], safing_lsb[k]);
        output[k] = mirrored_step(self, &input);
    }
}

void drive_words(const int16_t *main_lsb, const int16_t *safing_lsb, size_t n, controller_input *input)
{
    for (size_t k = 0u; k < n; ++k) {
        input[k] = healthy((uint32_t)k, main_lsb[k], safing_lsb[k]);
    }
}

static void note(int32_t *first, bool is_true, size_t sample)
{
    if (is_true && (*first < 0)) {
        *first = (int32_t)sample;
    }
}

void drive_batch(const mirrored_controller *started, const int16_t *main_lsb, const int16_t *safing_lsb, size_t n_recordings,
                 size_t n_samples, drive_result *result)
{
    for (size_t r = 0u; r < n_recordings; ++r) {
        controller self = started->live.state;
        drive_result one = {-1, -1, -1, {-1, -1}, 0u, 0u};
        for (size_t k = 0u; k < n_samples; ++k) {
            const size_t at = (r * n_samples) + k;
            const controller_input input = healthy((uint32_t)k, main_lsb[at], safing_lsb[at]);
            const controller_output output = controller_step(&self, &input);
            note(&one.wake_up, output.awake, k);
            note(&one.request, output.fire_request, k);
            note(&one.arming, output.armed, k);
            note(&one.stage[0], output.current_ma[0] > 0u, k);
            note(&one.stage[1], output.current_ma[1] > 0u, k);
            one.trouble = output.trouble;
            one.mode = (uint32_t)output.mode;
        }
        result[r] = one;
    }
}

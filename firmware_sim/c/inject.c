#include "inject.h"

#include "crumple_calibration.h"

#define FIELD(member) {#member, offsetof(controller, member), sizeof(((const controller *)0)->member)}

static const inject_field FIELDS[] = {
    FIELD(memory.locked), FIELD(memory.plant_key), FIELD(memory.trouble),
    FIELD(parameters), FIELD(parameters_sum), FIELD(mode), FIELD(mode_complement), FIELD(samples_in_mode),
    FIELD(discrimination.block), FIELD(discrimination.position), FIELD(discrimination.votes),
#if CRUMPLE_BLOCK_SAMPLES > 1
    FIELD(discrimination.recent_lsb), FIELD(discrimination.phase), /* a model without blocks may do without these */
#endif
    FIELD(safing.sample_lsb), FIELD(safing.next), FIELD(safing.sum_lsb), FIELD(safing.hold),
    FIELD(main_link), FIELD(second_link), FIELD(offset), FIELD(sensors), FIELD(loops), FIELD(dog), FIELD(loud), FIELD(awake),
    FIELD(reserve)
};

size_t inject_result_size(void)
{
    return sizeof(inject_result);
}

size_t inject_parameters_size(void)
{
    return sizeof(crumple_parameters);
}

size_t inject_n_fields(void)
{
    return sizeof FIELDS / sizeof FIELDS[0];
}

inject_field inject_field_at(size_t k)
{
    return FIELDS[k];
}

size_t inject_copy_offset(void)
{
    return offsetof(mirrored_controller, copy);
}

size_t inject_seal_offset(void)
{
    return offsetof(mirrored_controller, seal);
}

static void flip(void *memory, size_t bit)
{
    uint8_t *const byte = (uint8_t *)memory;
    byte[bit / 8u] = (uint8_t)(byte[bit / 8u] ^ (1u << (bit % 8u)));
}

static void note(int32_t *first, bool is_true, size_t sample)
{
    if (is_true && (*first < 0)) {
        *first = (int32_t)sample;
    }
}

static bool is_other(const controller_output *a, const controller_output *b)
{
    return (a->y != b->y) || (a->mode != b->mode) || (a->sample_lsb != b->sample_lsb)
        || (a->fire_request != b->fire_request) || (a->armed != b->armed) || (a->current_ma[0] != b->current_ma[0])
        || (a->current_ma[1] != b->current_ma[1]);
}

static void observe(inject_result *one, const controller_output *output, const controller_output *expected, size_t k)
{
    for (size_t stage = 0u; stage < CONTROLLER_LOOPS; ++stage) {
        note(&one->stage[stage], output->current_ma[stage] > 0u, k);
        one->full[stage] += (output->current_ma[stage] == LOOP_CURRENT_MA) ? 1u : 0u;
    }
    note(&one->request, output->fire_request, k);
    note(&one->arming, output->armed, k);
    note(&one->both, output->fire_request && output->armed && output->sensors_agree, k);
    note(&one->held, output->fire_request && output->armed && (!output->sensors_agree), k);
    note(&one->reset, output->mode == CONTROLLER_OFF_RESET, k);
    one->trouble = output->trouble & ~expected->trouble;
    note(&one->noticed, one->trouble != 0u, k);
    note(&one->differs, is_other(output, expected), k);
    one->mode = (uint32_t)output->mode;
}

static const inject_result NOTHING = {{-1, -1}, {0u, 0u}, -1, -1, -1, -1, -1, -1, -1, 0u, 0u};

/* Ticks from `from` on; what happened before stands in `one`. */
static void run(mirrored_controller *self, const controller_input *input, const controller_output *expected, size_t from,
                size_t n, inject_result *one)
{
    for (size_t k = from; k < n; ++k) {
        const controller_output output = mirrored_step(self, &input[k]);
        observe(one, &output, &expected[k], k);
    }
}

void inject_inputs(const mirrored_controller *started, const controller_input *input, const controller_output *expected,
                   size_t n_recordings, size_t n, inject_result *result)
{
    for (size_t r = 0u; r < n_recordings; ++r) {
        mirrored_controller self = *started;
        result[r] = NOTHING;
        run(&self, &input[r * n], expected, 0u, n, &result[r]);
    }
}

void inject_state(const mirrored_controller *started, const controller_input *input, const controller_output *expected,
                  size_t n, size_t when, size_t first_bit, size_t n_bits, inject_result *result)
{
    mirrored_controller before = *started;
    inject_result so_far = NOTHING;
    run(&before, input, expected, 0u, when, &so_far);
    for (size_t k = 0u; k < n_bits; ++k) {
        mirrored_controller self = before;
        result[k] = so_far;
        flip(&self, first_bit + k);
        run(&self, input, expected, when, n, &result[k]);
    }
}

void inject_parameters(const controller_input *input, const controller_output *expected, size_t n, size_t when,
                       size_t first_bit, size_t n_bits, inject_result *result)
{
    crumple_parameters parameters = crumple_built_in;
    mirrored_controller before;
    inject_result so_far = NOTHING;
    const size_t from = (when < n) ? when : 0u;
    drive_start(&before, &parameters);
    run(&before, input, expected, 0u, from, &so_far);
    for (size_t k = 0u; k < n_bits; ++k) {
        mirrored_controller self = before;
        result[k] = so_far;
        flip(&parameters, first_bit + k);
        if (when >= n) {
            drive_start(&self, &parameters);
        }
        run(&self, input, expected, from, n, &result[k]);
        flip(&parameters, first_bit + k);
    }
}

void inject_image(uint8_t *image, size_t size, size_t first_bit, size_t n_bits, uint32_t *verdict)
{
    for (size_t k = 0u; k < n_bits; ++k) {
        crumple_parameters parameters = crumple_built_in;
        flip(image, first_bit + k);
        verdict[k] = (uint32_t)crumple_calibration_read(image, size, &parameters);
        flip(image, first_bit + k);
    }
}

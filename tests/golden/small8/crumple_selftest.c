/* Boot test. See crumple_selftest.h; printed from model
 * 0000000000000000000000000000000000000000000000000000000000000000, profile small8. */
#include "crumple_selftest.h"

#include "crumple_calibration.h"
#include "crumple_model.h"

#define BLOCK_MAX 3840

/* y with all blocks zero, and with every block at the limit that drives a node highest, then lowest. */
static const int64_t Y_AT_REST = INT64_C(-9200);
static const int64_t Y_HIGHEST[CRUMPLE_HIDDEN] = {
    INT64_C(514520), INT64_C(514520), INT64_C(-562160)
};
static const int64_t Y_LOWEST[CRUMPLE_HIDDEN] = {
    INT64_C(-9200), INT64_C(-9200), INT64_C(69280)
};

/* A sequence: each level for CRUMPLE_WINDOW_SAMPLES samples; y and the fire request after its last one. */
#define LEVELS 7u
static const int16_t LEVEL_LSB[LEVELS] = {0, 1, 1920, 32767, -1920, (-32767 - 1), 640};
static const int64_t LEVEL_Y[LEVELS] = {
    INT64_C(-9200), INT64_C(-9200), INT64_C(514520), INT64_C(514520), INT64_C(-9200),
    INT64_C(-9200), INT64_C(161240)
};
static const uint8_t LEVEL_FIRE[LEVELS] = {0u, 0u, 1u, 1u, 0u, 0u, 1u};

/* The input that drives a node as far as it goes: up with direction 1, down with -1. */
static int64_t output_at_extreme(size_t node, int32_t direction)
{
    crumple_block block[CRUMPLE_BLOCKS];
    const int32_t end = BLOCK_MAX * direction;
    for (size_t i = 0u; i < CRUMPLE_BLOCKS; ++i) {
        const int32_t value = (crumple_built_in.hidden_weight[(node * CRUMPLE_BLOCKS) + i] < 0) ? -end : end;
        block[i] = (crumple_block)value;
    }
    return crumple_output(&crumple_built_in, block);
}

static bool net_answers(void)
{
    crumple_block rest[CRUMPLE_BLOCKS] = {0};
    bool right = crumple_output(&crumple_built_in, rest) == Y_AT_REST;
    for (size_t j = 0u; j < CRUMPLE_HIDDEN; ++j) {
        right = (output_at_extreme(j, 1) == Y_HIGHEST[j]) && right;
        right = (output_at_extreme(j, -1) == Y_LOWEST[j]) && right;
    }
    return right;
}

static bool steps_answer(void)
{
    crumple_state state;
    bool right = true;
    crumple_init(&state);
    for (size_t level = 0u; level < LEVELS; ++level) {
        crumple_status status = {0, false, false};
        for (size_t k = 0u; k < CRUMPLE_WINDOW_SAMPLES; ++k) {
            status = crumple_step(&state, LEVEL_LSB[level]);
        }
        right = (status.y == LEVEL_Y[level]) && (status.fire_request == (LEVEL_FIRE[level] != 0u)) && right;
    }
    return right;
}

crumple_selftest_verdict crumple_selftest(void)
{
    crumple_selftest_verdict verdict = CRUMPLE_SELFTEST_PASSED;
    if (crumple_parameters_crc32(&crumple_built_in) != CRUMPLE_PARAMETERS_CRC32) {
        verdict = CRUMPLE_SELFTEST_TABLES;
    } else if (!net_answers()) {
        verdict = CRUMPLE_SELFTEST_NET;
    } else if (!steps_answer()) {
        verdict = CRUMPLE_SELFTEST_STEP;
    } else {
        /* every answer is right */
    }
    return verdict;
}

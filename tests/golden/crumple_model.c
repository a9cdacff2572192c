/* Crash discrimination. See crumple_model.h; printed from model
 * 0000000000000000000000000000000000000000000000000000000000000000. */
#include "crumple_model.h"

#include <stddef.h>

/* One row a hidden node, one column a block, oldest block first. */
static const int16_t HIDDEN_WEIGHT[CRUMPLE_HIDDEN][CRUMPLE_BLOCKS] = {
    {5, 7, 11, 13},
    {1, 2, 4, 8},
    {9, -9, 9, -9},
};

static const int32_t HIDDEN_BIAS[CRUMPLE_HIDDEN] = {
    -2000, -100, 50
};

static const int16_t OUTPUT_WEIGHT[CRUMPLE_HIDDEN] = {
    3, 2, -4
};

static const int64_t OUTPUT_BIAS = INT64_C(-9000);

/* Sums of 2 samples, so each input is a piece of velocity change.
 * |block| <= 3 840 counts. */
static void block_sums(const int16_t sample_lsb[CRUMPLE_WINDOW_SAMPLES], int32_t block[CRUMPLE_BLOCKS])
{
    for (size_t i = 0u; i < CRUMPLE_BLOCKS; ++i) {
        int32_t sum = 0;
        for (size_t k = 0u; k < CRUMPLE_BLOCK_SAMPLES; ++k) {
            sum += sample_lsb[(i * CRUMPLE_BLOCK_SAMPLES) + k];
        }
        block[i] = sum;
    }
}

/* Hidden layer and output, exact.
 * |acc| <= 140 240 < 2^31 and |y| <= 1 098 280 < 2^63 for every clamped
 * input, whatever the order of adding: claim accumulators_fit. */
static int64_t net_output(const int32_t block[CRUMPLE_BLOCKS])
{
    int64_t y = OUTPUT_BIAS;
    for (size_t j = 0u; j < CRUMPLE_HIDDEN; ++j) {
        int32_t acc = HIDDEN_BIAS[j];
        for (size_t i = 0u; i < CRUMPLE_BLOCKS; ++i) {
            acc += (int32_t)HIDDEN_WEIGHT[j][i] * block[i];
        }
        if (acc < 0) {
            acc = 0;
        }
        y += (int64_t)OUTPUT_WEIGHT[j] * acc;
    }
    return y;
}

/* How many of the last CRUMPLE_CONFIRM_WINDOW samples voted. */
static uint32_t recent_votes(uint32_t votes)
{
    uint32_t count = 0u;
    for (uint32_t k = 0u; k < (uint32_t)CRUMPLE_CONFIRM_WINDOW; ++k) {
        count += (votes >> k) & 1u;
    }
    return count;
}

void crumple_init(crumple_state *state)
{
    for (size_t k = 0u; k < CRUMPLE_WINDOW_SAMPLES; ++k) {
        state->sample_lsb[k] = 0;
    }
    state->votes = 0u;
}

crumple_status crumple_step(crumple_state *state, int16_t sample_lsb)
{
    int16_t clamped = sample_lsb;
    if (clamped > CRUMPLE_CLAMP_LSB) {
        clamped = CRUMPLE_CLAMP_LSB;
    } else if (clamped < -CRUMPLE_CLAMP_LSB) {
        clamped = -CRUMPLE_CLAMP_LSB;
    } else {
        /* in range: nothing to limit */
    }
    for (size_t k = 0u; k + 1u < CRUMPLE_WINDOW_SAMPLES; ++k) {
        state->sample_lsb[k] = state->sample_lsb[k + 1u];
    }
    state->sample_lsb[CRUMPLE_WINDOW_SAMPLES - 1] = clamped;

    int32_t block[CRUMPLE_BLOCKS];
    block_sums(state->sample_lsb, block);

    crumple_status status;
    status.y = net_output(block);
    status.vote = status.y > 0;
    state->votes = (state->votes << 1u) | (status.vote ? 1u : 0u);
    status.fire_request = recent_votes(state->votes) >= (uint32_t)CRUMPLE_CONFIRM_VOTES;
    return status;
}

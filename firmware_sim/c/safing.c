#include "safing.h"

#include <stddef.h>

void safing_init(safing_state *state)
{
    for (size_t k = 0u; k < CRUMPLE_ARMING_WINDOW_SAMPLES; ++k) {
        state->sample_lsb[k] = 0;
    }
    state->next = 0u;
    state->sum_lsb = 0;
    state->hold = 0u;
}

bool safing_step(safing_state *state, int16_t sample_lsb)
{
    int16_t clamped = sample_lsb;
    if (clamped > CRUMPLE_ARMING_CLAMP_LSB) {
        clamped = CRUMPLE_ARMING_CLAMP_LSB;
    } else if (clamped < -CRUMPLE_ARMING_CLAMP_LSB) {
        clamped = -CRUMPLE_ARMING_CLAMP_LSB;
    } else {
        /* in range: nothing to limit */
    }
    /* The sum is kept up to date by one subtraction and one addition: exact in integers, it cannot drift. */
    state->sum_lsb -= state->sample_lsb[state->next];
    state->sum_lsb += clamped;
    state->sample_lsb[state->next] = clamped;
    state->next += 1u;
    if (state->next == (uint32_t)CRUMPLE_ARMING_WINDOW_SAMPLES) {
        state->next = 0u;
    }

    if (state->sum_lsb >= CRUMPLE_ARMING_THRESHOLD_LSB) {
        state->hold = (uint32_t)CRUMPLE_ARMING_HOLD_SAMPLES + 1u;
    }
    if (state->hold == 0u) {
        return false;
    }
    state->hold -= 1u;
    return true;
}

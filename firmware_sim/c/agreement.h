/* Whether the two sensors tell of the same motion: a plausibility check that only ever inhibits.
 *
 * Arming alone does not stop a main sensor that goes wrong while something harmless arms, such as a low bump. So firing
 * also needs that over the last AGREEMENT_SAMPLES the sums of both sensors differ by no more than what healthy ones may:
 * a sixth, for two gains of 7 % each way, and 1 g throughout, for two offsets of 0.5 g. Both are limited to what the
 * arming rule heeds, beyond which they may differ as they like. A sample that either sensor owes counts for neither. */
#ifndef AGREEMENT_H
#define AGREEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "crumple_arming.h"

#define AGREEMENT_SAMPLES 16 /* 8 ms at 2 kHz: two filters of different order settle within it (measured, synthetic) */
#define AGREEMENT_SHARE 6    /* one part in six */
#define AGREEMENT_OFFSET_G 1

/* Apart for 50 ms at 2 kHz is a trouble code; blows of a hammer keep healthy sensors apart for 13 ms (synthetic). */
#define AGREEMENT_APART_SAMPLES 100u

typedef struct {
    int32_t main[AGREEMENT_SAMPLES]; /* rings, in 1 / CRUMPLE_UNITS_PER_G g */
    int32_t safing[AGREEMENT_SAMPLES];
    int32_t main_sum;
    int32_t safing_sum;
    uint32_t next;
    uint32_t apart; /* samples in a row, counted to AGREEMENT_APART_SAMPLES */
} agreement;

void agreement_init(agreement *self);

/* Take one count of each sensor, both valid or not heeded; returns whether they agree. */
bool agreement_step(agreement *self, bool valid, int16_t main_lsb, int16_t safing_lsb);

/* Whether they have been apart for so long that one of them must be wrong. */
bool agreement_is_lost(const agreement *self);

#endif

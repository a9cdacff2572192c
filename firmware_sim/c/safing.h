/* Arming (safing) path: another sensor, another rule, other code than the crash discrimination.
 * True while the sum of the last samples reaches a threshold, and for a hold time after that. */
#ifndef SAFING_H
#define SAFING_H

#include <stdbool.h>
#include <stdint.h>

#include "crumple_arming.h"

typedef struct {
    int16_t sample_lsb[CRUMPLE_ARMING_WINDOW_SAMPLES]; /* ring, clamped */
    uint32_t next;                                     /* where the next sample goes */
    int32_t sum_lsb;                                   /* of the ring */
    uint32_t hold;                                     /* samples for which arming still holds */
} safing_state;

void safing_init(safing_state *state);

/* Take one sample of the safing sensor; returns whether the controller is armed. */
bool safing_step(safing_state *state, int16_t sample_lsb);

#endif

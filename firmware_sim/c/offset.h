/* Slow offset of the main sensor, followed while nothing happens and frozen from wake-up on.
 *
 * It moves by at most one count every OFFSET_PERIOD_SAMPLES samples and stays within +-OFFSET_LIMIT_LSB. Proofs speak
 * of the counts that the classifier reads, which are sensor counts less this offset: a claim for sensor counts needs
 * its tolerance widened by OFFSET_LIMIT_LSB. */
#ifndef OFFSET_H
#define OFFSET_H

#include <stdint.h>

#include "crumple_model.h"

#define OFFSET_PERIOD_SAMPLES 1024u                 /* about half a second at 2 kHz (assumed) */
#define OFFSET_LIMIT_LSB (CRUMPLE_CLAMP_LSB / 120)  /* 1 g of a sensor of 120 g (assumed) */

typedef struct {
    int32_t sum_lsb; /* of the corrected counts of the period at hand */
    uint32_t n;
    int16_t offset_lsb;
} offset_tracker;

void offset_init(offset_tracker *tracker);

/* Follow one corrected count, in magnitude at most FRAME_QUIET_LSB. */
void offset_follow(offset_tracker *tracker, int16_t corrected_lsb);

#endif

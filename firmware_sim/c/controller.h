/* Simulated airbag controller, one frontal loop, one stage.
 *
 *   INIT --self-check done--> NORMAL <--arming--> ARMED --fire request--> FIRE --pulse over--> CRASH_LOCK
 *
 * FIRE needs a fire request of the discrimination AND arming by the safing path, in the same sample.
 * CRASH_LOCK is for good. While in INIT the samples are ignored and nothing can fire. */
#ifndef CONTROLLER_H
#define CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crumple_model.h"
#include "safing.h"

/* Simulated: a real controller takes 2 to 6 s for its self-check; recordings are far shorter than that. */
#define CONTROLLER_INIT_SAMPLES 16u

/* Firing current lasts 2 ms, the all-fire time of a common igniter (assumed). */
#define CONTROLLER_FIRE_SAMPLES ((2u * CRUMPLE_SAMPLE_RATE_HZ) / 1000u)

typedef enum {
    CONTROLLER_INIT = 0,
    CONTROLLER_NORMAL = 1,
    CONTROLLER_ARMED = 2,
    CONTROLLER_FIRE = 3,
    CONTROLLER_CRASH_LOCK = 4
} controller_mode;

typedef struct {
    controller_mode mode;
    uint32_t samples_in_mode;
    crumple_state discrimination;
    safing_state safing;
} controller;

typedef struct {
    int64_t y;            /* 0 where the discrimination does not run */
    controller_mode mode; /* after this sample */
    bool fire_request;
    bool armed;
    bool squib_on;        /* firing current flows */
} controller_output;

void controller_init(controller *self);

/* One tick: one sample of each sensor. */
controller_output controller_step(controller *self, int16_t main_lsb, int16_t safing_lsb);

/* Size of the state, for callers that allocate it from another language. */
size_t controller_size(void);

/* A whole recording from power-on: the self-check on silence first, then n ticks. Traces have n entries;
 * flags are bit 0 fire_request, bit 1 armed, bit 2 squib_on. */
void controller_run(controller *self, const int16_t *main_lsb, const int16_t *safing_lsb, size_t n, int64_t *y,
                    uint8_t *mode, uint8_t *flags);

#endif

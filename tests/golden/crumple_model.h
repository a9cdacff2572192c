/* Crash discrimination, one accelerometer: 4 inputs, 3 hidden nodes, exact integers.
 *
 * Printed from model 0000000000000000000000000000000000000000000000000000000000000000
 * (SHA-256 of model.json). Do not edit: proofs speak of that model and of nothing else.
 *
 * Samples are counts of the main sensor, 1/16 g each, positive while the car slows down, one every
 * 500.0 us. Every sample gives one decision.
 */
#ifndef CRUMPLE_MODEL_H
#define CRUMPLE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define CRUMPLE_MODEL_SHA256 "0000000000000000000000000000000000000000000000000000000000000000"
#define CRUMPLE_SAMPLE_RATE_HZ 2000
#define CRUMPLE_CLAMP_LSB 1920
#define CRUMPLE_BLOCK_SAMPLES 2
#define CRUMPLE_BLOCKS 4
#define CRUMPLE_WINDOW_SAMPLES 8
#define CRUMPLE_HIDDEN 3
#define CRUMPLE_CONFIRM_VOTES 2
#define CRUMPLE_CONFIRM_WINDOW 3

/* All state, owned by the caller; any number of instances may run side by side. */
typedef struct {
    int16_t sample_lsb[CRUMPLE_WINDOW_SAMPLES]; /* clamped, oldest first */
    uint32_t votes;                             /* bit 0 is the newest vote */
} crumple_state;

typedef struct {
    int64_t y;         /* the net votes when this is positive */
    bool vote;
    bool fire_request; /* at least CRUMPLE_CONFIRM_VOTES of the last CRUMPLE_CONFIRM_WINDOW samples voted */
} crumple_status;

/* Start from rest: a window of zeros and no votes. */
void crumple_init(crumple_state *state);

/* Take one sample and decide. Any int16_t is a valid sample; it is clamped to +-CRUMPLE_CLAMP_LSB first. */
crumple_status crumple_step(crumple_state *state, int16_t sample_lsb);

#endif

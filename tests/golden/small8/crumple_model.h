/* Crash discrimination, one accelerometer: 4 inputs, 3 hidden nodes, exact integers.
 *
 * Printed from model 0000000000000000000000000000000000000000000000000000000000000000
 * (SHA-256 of model.json), profile small8, template 2. Do not edit: proofs speak of that model and
 * of nothing else.
 *
 * Samples are counts of the main sensor, 1/16 g each, positive while the car slows down, one every
 * 500.0 us. Every sample gives one decision.
 *
 * All arithmetic is exact: nothing is rounded, shifted out or saturated after the input clamp. For every input
 *   |block|        <= 3 840 counts, held in crumple_block
 *   |hidden node|  <= 140 240 < 2^31, whatever the order of adding
 *   |y|            <= 1 098 280 < 2^63, whatever the order of adding
 * Needs 16-, 32- and 64-bit integers, no heap, no recursion, no writable data of its own, no library.
 */
#ifndef CRUMPLE_MODEL_H
#define CRUMPLE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define CRUMPLE_MODEL_SHA256 "0000000000000000000000000000000000000000000000000000000000000000"
#define CRUMPLE_SAMPLE_RATE_HZ 2000
#define CRUMPLE_CLAMP_LSB 1920
#define CRUMPLE_BLOCK_SAMPLES 2u
#define CRUMPLE_BLOCKS 4u
#define CRUMPLE_WINDOW_SAMPLES 8u
#define CRUMPLE_HIDDEN 3u
#define CRUMPLE_CONFIRM_VOTES 2u
#define CRUMPLE_CONFIRM_WINDOW 3u
#define CRUMPLE_PARAMETERS_CRC32 0x197553D1u /* of crumple_built_in, as a parameter image stores it */

typedef int16_t crumple_block; /* sum of CRUMPLE_BLOCK_SAMPLES clamped samples: a piece of velocity change */
typedef int8_t crumple_weight; /* of a hidden node */

/* Everything that training chose. Units: hidden_bias in hidden_weight x counts, output_bias in output_weight times that. */
typedef struct {
    int64_t output_bias;
    int32_t hidden_bias[CRUMPLE_HIDDEN];
    crumple_weight hidden_weight[CRUMPLE_HIDDEN * CRUMPLE_BLOCKS]; /* row after row, one a node, oldest block first */
    int16_t output_weight[CRUMPLE_HIDDEN];
} crumple_parameters;

/* The parameters that were proved. */
extern const crumple_parameters crumple_built_in;

/* All state, owned by the caller; any number of instances may run side by side.
 * Block sums of one phase are every CRUMPLE_BLOCK_SAMPLES samples apart. Each row is written twice,
 * CRUMPLE_BLOCKS apart, so that the last CRUMPLE_BLOCKS sums always lie in one piece, oldest first. */
typedef struct {
    uint32_t votes;    /* of the last CRUMPLE_CONFIRM_WINDOW samples; bit 0 is the newest */
    uint16_t position; /* where in its row the next block sum goes */
    uint16_t phase;    /* row that the next sample completes */
    int16_t recent_lsb[CRUMPLE_BLOCK_SAMPLES]; /* clamped samples, newest last */
    crumple_block block[CRUMPLE_BLOCK_SAMPLES][2u * CRUMPLE_BLOCKS];
} crumple_state;

typedef struct {
    int64_t y;         /* the net votes when this is positive */
    bool vote;
    bool fire_request; /* at least CRUMPLE_CONFIRM_VOTES of the last CRUMPLE_CONFIRM_WINDOW samples voted */
} crumple_status;

/* Start from rest: a window of zeros and no votes. */
void crumple_init(crumple_state *state);

/* Take one sample and decide. Any int16_t is a valid sample; it is clamped to +-CRUMPLE_CLAMP_LSB first.
 * Proofs about crumple_built_in speak of no other parameters: of those that crumple_calibration_read() accepted,
 * only the absence of overflow was checked. */
crumple_status crumple_step_with(crumple_state *state, int16_t sample_lsb, const crumple_parameters *parameters);

/* The same with the parameters that were proved. */
static inline crumple_status crumple_step(crumple_state *state, int16_t sample_lsb)
{
    return crumple_step_with(state, sample_lsb, &crumple_built_in);
}

/* The net alone, for tests: block sums, oldest first, each at most CRUMPLE_BLOCK_SAMPLES * CRUMPLE_CLAMP_LSB. */
int64_t crumple_output(const crumple_parameters *parameters, const crumple_block block[CRUMPLE_BLOCKS]);

#endif

/* Crash discrimination. See crumple_model.h; printed from model
 * 0000000000000000000000000000000000000000000000000000000000000000, profile small8.
 *
 * Annotations that begin with an at sign are ACSL contracts: Frama-C WP proves that this file computes the net
 * as its axioms define it, Frama-C EVA that no operation overflows or leaves an array. They are comments to a compiler.
 */
#include "crumple_model.h"

#include <stddef.h>

/* Cortex-M0 multiplies 32 x 32 bits to 32 only: there the output is summed in digits, exactly as well. */
#ifndef CRUMPLE_SHORT_MULTIPLY
#if defined(__ARM_ARCH_6M__)
#define CRUMPLE_SHORT_MULTIPLY 1
#else
#define CRUMPLE_SHORT_MULTIPLY 0
#endif
#endif

/* clang-format off */
const crumple_parameters crumple_built_in = {
    .output_bias = INT64_C(-9000),
    .hidden_bias = {
        -2000, -100, 50
    },
    .hidden_weight = {
        {5, 7, 11, 13},
        {1, 2, 4, 8},
        {9, -9, 9, -9},
    },
    .output_weight = {
        3, 2, -4
    }
};
/* clang-format on */

/* The net, in unbounded integers. A node is its bias and the products of its row with the blocks; the output
 * is its bias and the products of its weights with the positive parts of the nodes (a product has a name there, so
 * that provers may take it as a whole). */
/*@ axiomatic Product {
      logic integer product(integer a, integer b);
      axiom product_is: \forall integer a, b; product(a, b) == a * b;
    }
    axiomatic Net {
      logic integer node{L}(crumple_parameters *p, integer j, crumple_block *x, integer n)
        reads p->hidden_bias[..], p->hidden_weight[..][..], x[..];
      axiom node_bias{L}: \forall crumple_parameters *p, crumple_block *x, integer j;
        node(p, j, x, 0) == p->hidden_bias[j];
      axiom node_next{L}: \forall crumple_parameters *p, crumple_block *x, integer j, n; n > 0 ==>
        node(p, j, x, n) == node(p, j, x, n - 1) + x[n - 1] * p->hidden_weight[j][n - 1];
      logic integer net{L}(crumple_parameters *p, crumple_block *x, integer n)
        reads p->output_bias, p->output_weight[..], p->hidden_bias[..], p->hidden_weight[..][..], x[..];
      axiom net_bias{L}: \forall crumple_parameters *p, crumple_block *x;
        net(p, x, 0) == p->output_bias;
      axiom net_next{L}: \forall crumple_parameters *p, crumple_block *x, integer n; n > 0 ==>
        net(p, x, n) == net(p, x, n - 1)
          + product(p->output_weight[n - 1], \max(0, node(p, n - 1, x, 4)));
    }
*/

/*@ assigns \nothing;
    ensures \result == \max(0, z);
*/
static int32_t positive_part(int32_t z)
{
    return (z > 0) ? z : 0;
}

/*@ assigns \nothing;
    ensures \result == \max(-CRUMPLE_CLAMP_LSB, \min(CRUMPLE_CLAMP_LSB, sample_lsb));
*/
static int16_t clamped(int16_t sample_lsb)
{
    const int32_t sample = sample_lsb;
    const int32_t above = positive_part(sample - CRUMPLE_CLAMP_LSB);
    const int32_t below = positive_part(-CRUMPLE_CLAMP_LSB - sample);
    return (int16_t)((sample - above) + below);
}

/*@ requires 0 <= index < length;
    assigns \nothing;
    ensures \result == (index + 1 == length ? 0 : index + 1);
*/
static uint32_t next_index(uint32_t index, uint32_t length)
{
    return ((index + 1u) == length) ? 0u : (index + 1u);
}

#if CRUMPLE_SHORT_MULTIPLY
/* Sum of output weight times hidden value h < 2^31, which is taken in digits of 11 bits: h = d0 + 2^11 d1 + 2^22 d2.
 * |each part| <= 2047 x 9 < 2^31: sum of the output weights' magnitudes. */
typedef struct {
    int32_t units;
    int32_t times_2_11;
    int32_t times_2_22;
} output_sum;
/*@ logic integer total(output_sum sum) = sum.units + 2048 * sum.times_2_11 + 4194304 * sum.times_2_22; */
#else
typedef struct {
    int64_t units;
} output_sum;
/*@ logic integer total(output_sum sum) = sum.units; */
#endif

/*@ requires 0 <= h;
    assigns \nothing;
    ensures total(\result) == total(sum) + product(weight, h);
*/
static output_sum with_product(output_sum sum, int16_t weight, int32_t h)
{
    output_sum next = sum;
#if CRUMPLE_SHORT_MULTIPLY
    const int32_t digit_0 = h % 2048;
    const int32_t digit_11 = (h / 2048) % 2048;
    const int32_t digit_22 = h / 4194304;
    /*@ assert h == digit_0 + 2048 * digit_11 + 4194304 * digit_22; */
    next.units += weight * digit_0;
    next.times_2_11 += weight * digit_11;
    next.times_2_22 += weight * digit_22;
#else
    next.units += (int64_t)weight * h;
#endif
    return next;
}

/*@ assigns \nothing;
    ensures \result == bias + total(sum);
*/
static int64_t with_bias(int64_t bias, output_sum sum)
{
#if CRUMPLE_SHORT_MULTIPLY
    return ((bias + sum.units) + ((int64_t)sum.times_2_11 * 2048)) + ((int64_t)sum.times_2_22 * 4194304);
#else
    return bias + sum.units;
#endif
}

/* Nodes that share one pass over the blocks. */
#define CRUMPLE_NODES_AT_ONCE 1u

/* Hidden layer and output, exact.
 * |node| <= 140 240 < 2^31 and |y| <= 1 098 280 < 2^63 for every clamped
 * input, whatever the order of adding: claim accumulators_fit. */
/*@ requires \valid_read(parameters) && \valid_read(block + (0 .. CRUMPLE_BLOCKS - 1));
    assigns \nothing;
    ensures \result == net(parameters, block, CRUMPLE_HIDDEN);
*/
int64_t crumple_output(const crumple_parameters *parameters, const crumple_block block[CRUMPLE_BLOCKS])
{
    output_sum sum = {0};
    /*@ loop invariant 0 <= j <= CRUMPLE_HIDDEN && j % CRUMPLE_NODES_AT_ONCE == 0;
        loop invariant parameters->output_bias + total(sum) == net(parameters, block, j);
        loop assigns j, sum;
        loop variant CRUMPLE_HIDDEN - j;
    */
    for (size_t j = 0u; j < CRUMPLE_HIDDEN; j += CRUMPLE_NODES_AT_ONCE) {
        int32_t node0 = parameters->hidden_bias[j];
        /*@ loop invariant 0 <= i <= CRUMPLE_BLOCKS;
            loop invariant node0 == node(parameters, j + 0, block, i);
            loop assigns i;
            loop assigns node0;
            loop variant CRUMPLE_BLOCKS - i;
        */
        for (size_t i = 0u; i < CRUMPLE_BLOCKS; ++i) {
            const int32_t x = block[i];
            node0 += parameters->hidden_weight[j][i] * x;
        }
        sum = with_product(sum, parameters->output_weight[j], positive_part(node0));
        /*@ assert net(parameters, block, j + 1) == net(parameters, block, j + 0)
              + product(parameters->output_weight[j + 0], \max(0, node(parameters, j + 0, block, CRUMPLE_BLOCKS))); */
        /*@ assert parameters->output_bias + total(sum) == net(parameters, block, j + 1); */
    }
    return with_bias(parameters->output_bias, sum);
}

/* Takes one sample into the window; returns its block sums, oldest first. */
/*@ requires \valid(state) && state->phase < CRUMPLE_BLOCK_SAMPLES && state->position < CRUMPLE_BLOCKS;
    assigns state->recent_lsb[0 .. CRUMPLE_BLOCK_SAMPLES - 1], state->phase, state->position,
      state->block[state->phase][state->position], state->block[state->phase][state->position + CRUMPLE_BLOCKS];
    ensures \result == &state->block[\old(state->phase)][\old(state->position) + 1];
    ensures state->phase < CRUMPLE_BLOCK_SAMPLES && state->position < CRUMPLE_BLOCKS;
    ensures state->block[\old(state->phase)][\old(state->position)]
      == state->block[\old(state->phase)][\old(state->position) + CRUMPLE_BLOCKS];
    ensures state->recent_lsb[CRUMPLE_BLOCK_SAMPLES - 1]
      == \max(-CRUMPLE_CLAMP_LSB, \min(CRUMPLE_CLAMP_LSB, sample_lsb));
*/
static const crumple_block *pushed(crumple_state *state, int16_t sample_lsb)
{
    const int16_t newest = clamped(sample_lsb);
    crumple_block *const row = state->block[state->phase];
    const uint32_t at = state->position;
    int32_t sum = newest;
    /*@ loop invariant 0 <= k < CRUMPLE_BLOCK_SAMPLES;
        loop assigns k, sum, state->recent_lsb[0 .. CRUMPLE_BLOCK_SAMPLES - 1];
        loop variant CRUMPLE_BLOCK_SAMPLES - k;
    */
    for (size_t k = 0u; (k + 1u) < CRUMPLE_BLOCK_SAMPLES; ++k) {
        state->recent_lsb[k] = state->recent_lsb[k + 1u];
        sum += state->recent_lsb[k];
    }
    state->recent_lsb[CRUMPLE_BLOCK_SAMPLES - 1u] = newest;
    row[at] = (crumple_block)sum;
    row[at + CRUMPLE_BLOCKS] = (crumple_block)sum;
    state->phase = next_index(state->phase, CRUMPLE_BLOCK_SAMPLES);
    state->position = (state->phase == 0u) ? next_index(at, CRUMPLE_BLOCKS) : at;
    return &row[at + 1u];
}

/* How many of the last CRUMPLE_CONFIRM_WINDOW samples voted. */
/*@ assigns \nothing; */
static uint32_t recent_votes(uint32_t votes)
{
    uint32_t count = 0u;
    /*@ loop invariant 0 <= k <= CRUMPLE_CONFIRM_WINDOW;
        loop assigns k, count;
        loop variant CRUMPLE_CONFIRM_WINDOW - k;
    */
    for (uint32_t k = 0u; k < CRUMPLE_CONFIRM_WINDOW; ++k) {
        count += (votes >> k) & 1u;
    }
    return count;
}

void crumple_init(crumple_state *state)
{
    for (size_t row = 0u; row < CRUMPLE_BLOCK_SAMPLES; ++row) {
        for (size_t k = 0u; k < (2u * CRUMPLE_BLOCKS); ++k) {
            state->block[row][k] = 0;
        }
        state->recent_lsb[row] = 0;
    }
    state->phase = 0u;
    state->position = 0u;
    state->votes = 0u;
}

/*@ requires \valid(state) && state->phase < CRUMPLE_BLOCK_SAMPLES && state->position < CRUMPLE_BLOCKS;
    requires \valid_read(parameters) && \separated(state, parameters);
    assigns *state;
    ensures \result.y == net(parameters, &state->block[\old(state->phase)][\old(state->position) + 1], CRUMPLE_HIDDEN);
    ensures \result.vote <==> \result.y > 0;
    ensures state->phase < CRUMPLE_BLOCK_SAMPLES && state->position < CRUMPLE_BLOCKS;
*/
crumple_status crumple_step_with(crumple_state *state, int16_t sample_lsb, const crumple_parameters *parameters)
{
    crumple_status status;
    const crumple_block *const window = pushed(state, sample_lsb);
    status.y = crumple_output(parameters, window);
    status.vote = status.y > 0;
    state->votes = (state->votes << 1u) | (status.vote ? 1u : 0u);
    status.fire_request = recent_votes(state->votes) >= CRUMPLE_CONFIRM_VOTES;
    return status;
}

crumple_status crumple_step(crumple_state *state, int16_t sample_lsb)
{
    return crumple_step_with(state, sample_lsb, &crumple_built_in);
}

/* Crash discrimination. See crumple_model.h; printed from model
 * 0000000000000000000000000000000000000000000000000000000000000000, profile dsp.
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

/* Two 16 x 16 bit products in one instruction, where the processor has it; the plain loop elsewhere. */
#ifndef CRUMPLE_DSP
#if defined(__ARM_FEATURE_DSP)
#define CRUMPLE_DSP 1
#else
#define CRUMPLE_DSP 0
#endif
#endif
#if CRUMPLE_DSP
#include <string.h>
#ifndef CRUMPLE_SMLAD
#include <arm_acle.h>
#define CRUMPLE_SMLAD(pair_a, pair_b, sum) __smlad((pair_a), (pair_b), (sum))
#endif
#endif

/* clang-format off */
const crumple_parameters crumple_built_in = {
    .output_bias = INT64_C(-9000),
    .hidden_bias = {
        -2000, -100, 50
    },
    .hidden_weight = {
        5, 7, 11, 13,

        1, 2, 4, 8,

        9, -9, 9, -9

    },
    .output_weight = {
        3, 2, -4
    }
};
/* clang-format on */

/* What is proved, in unbounded integers. A step turns the samples that the state holds into those of one sample later,
 * answers the net of the window of block sums, and counts votes.
 *
 * A node is its bias and the products of its row with the blocks; the output is its bias and the products of its
 * weights with the positive parts of the nodes (a product has a name, so that provers may take it as a whole). */
/*@ axiomatic Product {
      logic integer product(integer a, integer b);
      axiom product_is: \forall integer a, b; product(a, b) == a * b;
    }
    axiomatic Net {
      logic integer node{L}(crumple_parameters *p, integer j, crumple_block *x, integer n)
        reads p->hidden_bias[..], p->hidden_weight[..], x[..];
      axiom node_bias{L}: \forall crumple_parameters *p, crumple_block *x, integer j;
        node(p, j, x, 0) == p->hidden_bias[j];
      axiom node_next{L}: \forall crumple_parameters *p, crumple_block *x, integer j, n; n >= 0 ==>
        node(p, j, x, n + 1) == node(p, j, x, n) + product(x[n], p->hidden_weight[j * 4 + n]);
      logic integer net{L}(crumple_parameters *p, crumple_block *x, integer n)
        reads p->output_bias, p->output_weight[..], p->hidden_bias[..], p->hidden_weight[..], x[..];
      axiom net_bias{L}: \forall crumple_parameters *p, crumple_block *x;
        net(p, x, 0) == p->output_bias;
      axiom net_next{L}: \forall crumple_parameters *p, crumple_block *x, integer n; n > 0 ==>
        net(p, x, n) == net(p, x, n - 1)
          + product(p->output_weight[n - 1], \max(0, node(p, n - 1, x, 4)));
    }
    logic integer limited(integer sample) = \max(-CRUMPLE_CLAMP_LSB, \min(CRUMPLE_CLAMP_LSB, sample));
    predicate in_range{L}(crumple_state *s) = s->position < CRUMPLE_BLOCKS && s->votes < 8
      && s->phase < CRUMPLE_BLOCK_SAMPLES
      && (\forall integer i; 0 <= i < CRUMPLE_BLOCK_SAMPLES ==>
            -CRUMPLE_CLAMP_LSB <= s->recent_lsb[i] <= CRUMPLE_CLAMP_LSB);
    predicate written_twice{L}(crumple_state *s) = \forall integer r, k;
      0 <= r < CRUMPLE_BLOCK_SAMPLES && 0 <= k < CRUMPLE_BLOCKS ==> s->block[r][k] == s->block[r][k + CRUMPLE_BLOCKS];
    predicate earlier_kept{L1, L2}(crumple_state *s, integer r, integer at) = \forall integer i;
      at < i < at + CRUMPLE_BLOCKS ==> \at(s->block[r][i], L2) == \at(s->block[r][i], L1);
    predicate shifted{L1, L2}(crumple_state *s, integer newest) =
      \at(s->recent_lsb[1], L2) == newest
      && \at(s->recent_lsb[0], L2) == \at(s->recent_lsb[1], L1);
    logic integer summed{L}(crumple_state *s, integer newest) =
      newest + s->recent_lsb[1];
    axiomatic Votes {
      logic integer counted(integer votes, integer n);
      axiom counted_none: \forall integer votes; counted(votes, 0) == 0;
      axiom counted_next: \forall integer votes, n; n > 0 ==>
        counted(votes, n) == votes % 2 + counted(votes / 2, n - 1);
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
    ensures \result == limited(sample_lsb);
*/
static int32_t clamped(int16_t sample_lsb)
{
    const int32_t from_below = positive_part(sample_lsb + CRUMPLE_CLAMP_LSB);
    const int32_t from_above = positive_part((2 * CRUMPLE_CLAMP_LSB) - from_below);
    return CRUMPLE_CLAMP_LSB - from_above;
}

/*@ requires 0 <= index < length <= 65536;
    assigns \nothing;
    ensures \result == (index + 1 == length ? 0 : index + 1);
*/
static uint16_t next_index(uint32_t index, uint32_t length)
{
    const uint32_t next = index + 1u;
    return (uint16_t)((next == length) ? 0u : next);
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

/*@ requires 0 <= h;
    assigns \nothing;
    ensures total(\result) == total(sum) + product(weight, h);
*/
static output_sum with_product(output_sum sum, int16_t weight, int32_t h)
{
    output_sum next = sum;
    const int32_t digit_0 = h % 2048;
    const int32_t digit_11 = (h / 2048) % 2048;
    const int32_t digit_22 = h / 4194304;
    /*@ assert h == digit_0 + 2048 * digit_11 + 4194304 * digit_22; */
    next.units += weight * digit_0;
    next.times_2_11 += weight * digit_11;
    next.times_2_22 += weight * digit_22;
    return next;
}

/*@ assigns \nothing;
    ensures \result == bias + total(sum);
*/
static int64_t with_bias(int64_t bias, output_sum sum)
{
    return ((bias + sum.units) + ((int64_t)sum.times_2_11 * 2048)) + ((int64_t)sum.times_2_22 * 4194304);
}
#else
/*@ requires 0 <= h;
    assigns \nothing;
    ensures \result == product(weight, h);
*/
static int64_t multiplied(int16_t weight, int32_t h)
{
    return (int64_t)weight * h;
}
#endif

#if CRUMPLE_DSP
/* Two neighbours as the processor loads them, in one word. */
static int32_t pair_at(const int16_t *first)
{
    int32_t pair;
    (void)memcpy(&pair, first, sizeof pair);
    return pair;
}
#endif

/* Hidden layer and output, exact. Nodes that share one pass over the blocks are as many as the registers hold.
 * |node| <= 140 240 < 2^31 and |y| <= 1 098 280 < 2^63 for every clamped
 * input, whatever the order of adding: claim accumulators_fit. */
/*@ requires \valid_read(parameters) && \valid_read(block + (0 .. CRUMPLE_BLOCKS - 1));
    assigns \nothing;
    ensures \result == net(parameters, block, CRUMPLE_HIDDEN);
*/
int64_t crumple_output(const crumple_parameters *parameters, const crumple_block block[CRUMPLE_BLOCKS])
{
#if CRUMPLE_SHORT_MULTIPLY
    output_sum sum = {0, 0, 0};
    /*@ loop invariant 0 <= j <= CRUMPLE_HIDDEN && j % 3 == 0;
        loop invariant parameters->output_bias + total(sum) == net(parameters, block, j);
        loop assigns j, sum;
        loop variant CRUMPLE_HIDDEN - j;
    */
    for (size_t j = 0u; j < CRUMPLE_HIDDEN; j += 3u) {
        const crumple_weight *const row0 = &parameters->hidden_weight[j * CRUMPLE_BLOCKS];
        const crumple_weight *const row1 = &row0[1u * CRUMPLE_BLOCKS];
        const crumple_weight *const row2 = &row0[2u * CRUMPLE_BLOCKS];
        /*@ assert row0 == &parameters->hidden_weight[0] + 4 * j; */
        int32_t node0 = parameters->hidden_bias[j];
        int32_t node1 = parameters->hidden_bias[j + 1u];
        int32_t node2 = parameters->hidden_bias[j + 2u];
        /*@ loop invariant 0 <= i <= CRUMPLE_BLOCKS;
            loop invariant node0 == node(parameters, j, block, i);
            loop invariant node1 == node(parameters, j + 1, block, i);
            loop invariant node2 == node(parameters, j + 2, block, i);
            loop assigns i, node0, node1, node2;
            loop variant CRUMPLE_BLOCKS - i;
        */
        for (size_t i = 0u; i < CRUMPLE_BLOCKS; ++i) {
            const int32_t x = block[i];
            node0 += row0[i] * x;
            node1 += row1[i] * x;
            node2 += row2[i] * x;
        }
        sum = with_product(sum, parameters->output_weight[j], positive_part(node0));
        /*@ assert parameters->output_bias + total(sum) == net(parameters, block, j + 1); */
        sum = with_product(sum, parameters->output_weight[j + 1u], positive_part(node1));
        /*@ assert parameters->output_bias + total(sum) == net(parameters, block, j + 2); */
        sum = with_product(sum, parameters->output_weight[j + 2u], positive_part(node2));
        /*@ assert parameters->output_bias + total(sum) == net(parameters, block, j + 3); */
    }
    return with_bias(parameters->output_bias, sum);
#else
    int64_t sum = parameters->output_bias;
    const int16_t *output_weight = parameters->output_weight;
    /*@ loop invariant 0 <= j <= CRUMPLE_HIDDEN && j % 3 == 0;
        loop invariant output_weight == &parameters->output_weight[j];
        loop invariant sum == net(parameters, block, j);
        loop assigns j, output_weight, sum;
        loop variant CRUMPLE_HIDDEN - j;
    */
    for (size_t j = 0u; j < CRUMPLE_HIDDEN; j += 3u) {
        const crumple_weight *row = &parameters->hidden_weight[j * CRUMPLE_BLOCKS];
        const crumple_block *input = block;
        int32_t node0 = parameters->hidden_bias[j];
        int32_t node1 = parameters->hidden_bias[j + 1u];
        int32_t node2 = parameters->hidden_bias[j + 2u];
#if CRUMPLE_DSP
        for (size_t i = 0u; i < CRUMPLE_BLOCKS; i += 4u) {
            const int32_t x0 = pair_at(&input[0u]);
            node2 = CRUMPLE_SMLAD(pair_at(&row[2u * CRUMPLE_BLOCKS]), x0, node2);
            node1 = CRUMPLE_SMLAD(pair_at(&row[1u * CRUMPLE_BLOCKS]), x0, node1);
            node0 = CRUMPLE_SMLAD(pair_at(&row[0u]), x0, node0);
            const int32_t x2 = pair_at(&input[2u]);
            node2 = CRUMPLE_SMLAD(pair_at(&row[(2u * CRUMPLE_BLOCKS) + 2u]), x2, node2);
            node1 = CRUMPLE_SMLAD(pair_at(&row[(1u * CRUMPLE_BLOCKS) + 2u]), x2, node1);
            node0 = CRUMPLE_SMLAD(pair_at(&row[2u]), x2, node0);
            input = &input[4u];
            row = &row[4u];
        }
#else
        /*@ loop invariant 0 <= i <= CRUMPLE_BLOCKS;
            loop invariant input == block + i && row == &parameters->hidden_weight[j * CRUMPLE_BLOCKS + i];
            loop invariant node0 == node(parameters, j, block, i);
            loop invariant node1 == node(parameters, j + 1, block, i);
            loop invariant node2 == node(parameters, j + 2, block, i);
            loop assigns i, input, row, node0, node1, node2;
            loop variant CRUMPLE_BLOCKS - i;
        */
        for (size_t i = 0u; i < CRUMPLE_BLOCKS; ++i) {
            const int32_t x = *input;
            node2 += row[2u * CRUMPLE_BLOCKS] * x;
            node1 += row[1u * CRUMPLE_BLOCKS] * x;
            node0 += row[0u] * x;
            ++input;
            ++row;
        }
#endif
        int64_t part = multiplied(output_weight[0], positive_part(node0)); /* in registers of its own: fewer moves */
        /*@ assert sum + part == net(parameters, block, j + 1); */
        part += multiplied(output_weight[1], positive_part(node1));
        /*@ assert sum + part == net(parameters, block, j + 2); */
        part += multiplied(output_weight[2], positive_part(node2));
        /*@ assert sum + part == net(parameters, block, j + 3); */
        sum += part;
        output_weight = &output_weight[3];
    }
    return sum;
#endif
}

/* Takes one sample into the window; returns its block sums, oldest first. */
/*@ requires \valid(state) && in_range(state) && written_twice(state);
    assigns state->position, state->phase, state->recent_lsb[0 .. CRUMPLE_BLOCK_SAMPLES - 1],
      state->block[state->phase][state->position], state->block[state->phase][state->position + CRUMPLE_BLOCKS];
    ensures in_range(state);
    ensures written_twice(state);
    ensures \result == &state->block[\old(state->phase)][\old(state->position) + 1];
    ensures state->block[\old(state->phase)][\old(state->position) + CRUMPLE_BLOCKS] == summed{Pre}(state, limited(sample_lsb));
    ensures earlier_kept{Pre, Post}(state, \old(state->phase), \old(state->position));
    ensures shifted{Pre, Post}(state, limited(sample_lsb));
    ensures state->phase == (\old(state->phase) + 1 == CRUMPLE_BLOCK_SAMPLES ? 0 : \old(state->phase) + 1);
    ensures state->position == (state->phase != 0 ? \old(state->position)
      : \old(state->position) + 1 == CRUMPLE_BLOCKS ? 0 : \old(state->position) + 1);
*/
static const crumple_block *pushed(crumple_state *state, int16_t sample_lsb)
{
    const uint32_t phase = state->phase;
    const uint32_t at = state->position;
    crumple_block *const row = state->block[phase];
    const int32_t newest = clamped(sample_lsb);
    int32_t sum = newest;
    /*@ loop invariant 0 <= k < CRUMPLE_BLOCK_SAMPLES;
        loop invariant \forall integer i; 0 <= i < k ==> state->recent_lsb[i] == \at(state->recent_lsb[i + 1], Pre);
        loop invariant \forall integer i; k <= i < CRUMPLE_BLOCK_SAMPLES ==>
          state->recent_lsb[i] == \at(state->recent_lsb[i], Pre);
        loop invariant -CRUMPLE_CLAMP_LSB * (k + 1) <= sum <= CRUMPLE_CLAMP_LSB * (k + 1);
        loop invariant sum == newest + (k < 1 ? 0 : \at(state->recent_lsb[1], Pre));
        loop assigns k, sum, state->recent_lsb[0 .. CRUMPLE_BLOCK_SAMPLES - 1];
        loop variant CRUMPLE_BLOCK_SAMPLES - k;
    */
    for (size_t k = 0u; (k + 1u) < CRUMPLE_BLOCK_SAMPLES; ++k) {
        state->recent_lsb[k] = state->recent_lsb[k + 1u];
        sum += state->recent_lsb[k];
    }
    state->recent_lsb[CRUMPLE_BLOCK_SAMPLES - 1u] = (int16_t)newest;
    state->phase = next_index(phase, CRUMPLE_BLOCK_SAMPLES);
    if (state->phase == 0u) {
        state->position = (uint16_t)((at + 1u) % CRUMPLE_BLOCKS);
    }
    row[at] = (crumple_block)sum;
    row[at + CRUMPLE_BLOCKS] = (crumple_block)sum;
    /*@ assert row[at] == sum && row[at + CRUMPLE_BLOCKS] == sum; */
    /*@ assert \forall integer i; 0 <= i < 2 * CRUMPLE_BLOCKS && i != at && i != at + CRUMPLE_BLOCKS ==>
          row[i] == \at(state->block[state->phase][i], Pre); */
    /*@ assert \forall integer r, i; 0 <= r < CRUMPLE_BLOCK_SAMPLES && r != phase && 0 <= i < 2 * CRUMPLE_BLOCKS ==>
          state->block[r][i] == \at(state->block[r][i], Pre); */
    /*@ assert \forall integer i; 0 <= i < CRUMPLE_BLOCK_SAMPLES ==>
          -CRUMPLE_CLAMP_LSB <= state->recent_lsb[i] <= CRUMPLE_CLAMP_LSB; */
    return &row[at + 1u];
}

/* Whether at least CRUMPLE_CONFIRM_VOTES of the last CRUMPLE_CONFIRM_WINDOW samples voted. */
/*@ requires votes < 8;
    assigns \nothing;
    ensures \result <==> counted(votes, CRUMPLE_CONFIRM_WINDOW) >= CRUMPLE_CONFIRM_VOTES;
*/
static bool is_confirmed(uint32_t votes)
{
    uint32_t count = 0u;
    uint32_t rest = votes;
    /*@ loop invariant 0 <= k <= CRUMPLE_CONFIRM_WINDOW;
        loop invariant 0 <= count <= k;
        loop invariant count + counted(rest, CRUMPLE_CONFIRM_WINDOW - k) == counted(votes, CRUMPLE_CONFIRM_WINDOW);
        loop assigns k, count, rest;
        loop variant CRUMPLE_CONFIRM_WINDOW - k;
    */
    for (uint32_t k = 0u; k < CRUMPLE_CONFIRM_WINDOW; ++k) {
        count += rest % 2u;
        rest /= 2u;
    }
    return count >= CRUMPLE_CONFIRM_VOTES;
}

void crumple_init(crumple_state *state)
{
    state->votes = 0u;
    state->position = 0u;
    state->phase = 0u;
    for (size_t row = 0u; row < CRUMPLE_BLOCK_SAMPLES; ++row) {
        volatile crumple_block *const block = state->block[row]; /* volatile: no compiler makes this a call of memset */
        for (size_t k = 0u; k < (2u * CRUMPLE_BLOCKS); ++k) {
            block[k] = 0;
        }
        state->recent_lsb[row] = 0;
    }
}

/*@ requires \valid(state) && in_range(state) && written_twice(state);
    requires \valid_read(parameters) && \separated(state, parameters);
    assigns *state;
    ensures in_range(state);
    ensures written_twice(state);
    ensures state->block[\old(state->phase)][\old(state->position) + CRUMPLE_BLOCKS] == summed{Pre}(state, limited(sample_lsb));
    ensures earlier_kept{Pre, Post}(state, \old(state->phase), \old(state->position));
    ensures shifted{Pre, Post}(state, limited(sample_lsb));
    ensures state->phase == (\old(state->phase) + 1 == CRUMPLE_BLOCK_SAMPLES ? 0 : \old(state->phase) + 1);
    ensures state->position == (state->phase != 0 ? \old(state->position)
      : \old(state->position) + 1 == CRUMPLE_BLOCKS ? 0 : \old(state->position) + 1);
    ensures \result.y
      == net(parameters, &state->block[\old(state->phase)][\old(state->position) + 1], CRUMPLE_HIDDEN);
    ensures \result.vote <==> \result.y > 0;
    ensures state->votes == 2 * (\old(state->votes) % 4) + (\result.y > 0 ? 1 : 0);
    ensures \result.fire_request <==> counted(state->votes, CRUMPLE_CONFIRM_WINDOW) >= CRUMPLE_CONFIRM_VOTES;
*/
crumple_status crumple_step_with(crumple_state *state, int16_t sample_lsb, const crumple_parameters *parameters)
{
    crumple_status status;
    const crumple_block *const window = pushed(state, sample_lsb);
    status.y = crumple_output(parameters, window);
    status.vote = status.y > 0;
    state->votes = ((state->votes % 4u) * 2u) + (status.vote ? 1u : 0u);
    status.fire_request = is_confirmed(state->votes);
    return status;
}

/* The controller's whole state twice, so that a memory cell that flips between two ticks costs nothing.
 *
 * After every tick the state is copied and the copy sealed by the sum of its words. Before the next tick the two are
 * compared: a single changed bit, in the state, in the copy or in the seal, leaves one of the two fitting the seal
 * (a sum of words notices every single bit), and that one goes on. TROUBLE_MEMORY says that it happened. If neither
 * fits, more than one bit is gone: a reset, with self-test. A real controller has error-correcting memory and cores in
 * lockstep for what happens within a tick; here nothing stands in for those. */
#ifndef MIRROR_H
#define MIRROR_H

#include "controller.h"

/* Whole groups of words, so that compilers can compare several at once. */
#define MIRROR_GROUP 16u
#define MIRROR_WORDS                                                                                                   \
    (((sizeof(controller) + (MIRROR_GROUP * sizeof(uint32_t)) - 1u) / (MIRROR_GROUP * sizeof(uint32_t))) * MIRROR_GROUP)

/* MISRA C:2012 advises against unions (19.2): this one only lets a state be copied and summed as words. */
typedef union {
    controller state;
    uint32_t word[MIRROR_WORDS];
} mirror_image;

typedef struct {
    mirror_image live;
    mirror_image copy;
    uint32_t seal;
} mirrored_controller;

/* As controller_init_with(). */
void mirrored_init_with(mirrored_controller *self, const crumple_parameters *parameters);

/* As controller_step(), on a state that was found right or made right. */
controller_output mirrored_step(mirrored_controller *self, const controller_input *input);

#endif

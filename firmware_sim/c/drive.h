/* Drives controllers from another language: whole recordings, one or many. No part of the controller. */
#ifndef DRIVE_H
#define DRIVE_H

#include "controller.h"
#include "mirror.h"

/* What one recording came to; samples count from its first, -1 where it did not happen. */
typedef struct {
    int32_t wake_up;
    int32_t request;
    int32_t arming;
    int32_t stage[CONTROLLER_LOOPS];
    uint32_t trouble;
    uint32_t mode; /* at the end */
} drive_result;

size_t drive_controller_size(void);
size_t drive_input_size(void);
size_t drive_output_size(void);

/* From power-on through INIT with both sensors at rest to NORMAL. */
void drive_start(mirrored_controller *self, const crumple_parameters *parameters);

/* n ticks of a started controller, all inputs and outputs in full. */
void drive_inputs(mirrored_controller *self, const controller_input *input, size_t n, controller_output *output);

/* n ticks of a started controller on counts of healthy sensors, with everything else as it should be. */
void drive_counts(mirrored_controller *self, const int16_t *main_lsb, const int16_t *safing_lsb, size_t n,
                  controller_output *output);

/* What n ticks of healthy sensors, battery, clock and loops look like. */
void drive_words(const int16_t *main_lsb, const int16_t *safing_lsb, size_t n, controller_input *input);

/* Recordings of n_samples each, one after the other, each with a copy of the started controller. The mirror of its
 * state is left out: memory that nothing spoils needs none, and without a fault it changes no output. */
void drive_batch(const mirrored_controller *started, const int16_t *main_lsb, const int16_t *safing_lsb, size_t n_recordings,
                 size_t n_samples, drive_result *result);

#endif

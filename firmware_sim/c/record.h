/* Drives a controller together with its event data recorder from another language. No part of either. */
#ifndef RECORD_H
#define RECORD_H

#include "edr.h"
#include "mirror.h"

size_t record_recorder_size(void);
size_t record_tick_size(void);
size_t record_image_size(void);

/* A blank recorder, switched on. */
void record_start(edr_recorder *self);

/* n ticks of the recorder alone. */
void record_ticks(edr_recorder *self, const edr_tick *tick, size_t n);

/* n ticks of a started controller, and what they tell its recorder; nothing is known of the car beside its sensors. */
void record_inputs(mirrored_controller *self, edr_recorder *recorder, const controller_input *input, size_t n,
                   controller_output *output);

/* What those n ticks tell the recorder. */
void record_told(const controller_input *input, const controller_output *output, size_t n, edr_tick *tick);

/* The same n ticks of a blank recorder n_bits times, each time with another bit of its memory flipped before tick `when`,
 * or before the download if that is n: one image each, and whether a byte beside its memory was written. */
void record_flips(const edr_tick *tick, size_t n, size_t when, size_t first_bit, size_t n_bits, uint8_t *image,
                  bool *is_outside);

#endif

/* Runs recordings with one fault each and says what each came to. No part of the controller. */
#ifndef INJECT_H
#define INJECT_H

#include "drive.h"

/* What one faulty recording came to. Samples count from its first; -1 where it did not happen. */
typedef struct {
    int32_t stage[CONTROLLER_LOOPS];   /* first sample of firing current */
    uint32_t full[CONTROLLER_LOOPS];   /* samples with the full current of the profile */
    int32_t request;
    int32_t arming;
    int32_t both;                      /* first sample with a request while armed and the sensors agree */
    int32_t held;                      /* first sample with a request while armed, but the sensors disagree */
    int32_t reset;                     /* first sample after which the controller is in OFF_RESET */
    int32_t noticed;                   /* first trouble that the recording without the fault does not have by then */
    int32_t differs;                   /* first sample with another sample, y, request, arming, mode or current */
    uint32_t trouble;                  /* at the end, less what the recording without the fault has */
    uint32_t mode;                     /* at the end */
} inject_result;

/* A named part of the controller's state, for a person to read. */
typedef struct {
    const char *name;
    size_t offset; /* bytes into the state */
    size_t size;
} inject_field;

size_t inject_result_size(void);
size_t inject_parameters_size(void);
size_t inject_n_fields(void);
inject_field inject_field_at(size_t k);

/* Where the second copy of the state and its seal lie in what drive_start() fills, in bytes. */
size_t inject_copy_offset(void);
size_t inject_seal_offset(void);

/* One controller each for n_recordings of n ticks, one after the other; expected has n outputs without a fault. */
void inject_inputs(const mirrored_controller *started, const controller_input *input, const controller_output *expected,
                   size_t n_recordings, size_t n, inject_result *result);

/* The same n ticks n_bits times, each time with another bit of the state flipped before tick `when`. */
void inject_state(const mirrored_controller *started, const controller_input *input, const controller_output *expected,
                  size_t n, size_t when, size_t first_bit, size_t n_bits, inject_result *result);

/* The same with a bit of the parameters in memory, flipped before tick `when` or, if that is n, before the start. */
void inject_parameters(const controller_input *input, const controller_output *expected, size_t n, size_t when,
                       size_t first_bit, size_t n_bits, inject_result *result);

/* Verdicts of the reader of parameter images, each on the image with another bit flipped; image is left as it was. */
void inject_image(uint8_t *image, size_t size, size_t first_bit, size_t n_bits, uint32_t *verdict);

#endif

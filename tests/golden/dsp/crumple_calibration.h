/* Parameters of the crash discrimination as calibration data: reads and refuses binary images.
 *
 * Printed from model 0000000000000000000000000000000000000000000000000000000000000000, profile dsp.
 * An image has a header of CRUMPLE_IMAGE_HEADER bytes (magic, layout version, sizes, shape of the net, SHA-256 of its
 * model), the parameters, and a CRC-32 over everything before it; all numbers are little-endian.
 */
#ifndef CRUMPLE_CALIBRATION_H
#define CRUMPLE_CALIBRATION_H

#include "crumple_model.h"

#include <stddef.h>
#include <stdint.h>

#define CRUMPLE_IMAGE_LAYOUT_VERSION 1u
#define CRUMPLE_IMAGE_HEADER 56u
#define CRUMPLE_IMAGE_SIZE 110u

/* Why an image is refused; the first reason found, in this order. */
typedef enum {
    CRUMPLE_IMAGE_ACCEPTED = 0,
    CRUMPLE_IMAGE_SIZE_WRONG = 1,   /* not the number of bytes that an image of this net has */
    CRUMPLE_IMAGE_FOREIGN = 2,    /* no magic: not an image at all */
    CRUMPLE_IMAGE_VERSION = 3,    /* another layout */
    CRUMPLE_IMAGE_SHAPE = 4,      /* another net: inputs, nodes, word length, clamp or confirmation differ */
    CRUMPLE_IMAGE_DAMAGED = 5,    /* the CRC-32 does not match */
    CRUMPLE_IMAGE_OUT_OF_RANGE = 6 /* an accumulator could overflow for some input */
} crumple_image_verdict;

/* Read an image. Only an accepted one changes the parameters, and with accepted ones no sum of the net can overflow.
 * The proofs of crumple_built_in hold for an image with crumple_parameters_crc32() == CRUMPLE_PARAMETERS_CRC32. */
crumple_image_verdict crumple_calibration_read(const uint8_t *image, size_t size, crumple_parameters *parameters);

/* CRC-32 (IEEE 802.3) of parameters as an image stores them. */
uint32_t crumple_parameters_crc32(const crumple_parameters *parameters);

#endif

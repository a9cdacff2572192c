/* Words of the safing sensor: a 16-bit payload in two's complement and even parity in bit 16.
 * Other layout and other code than the main sensor's frames on purpose: no defect of one decoder is in both.
 *
 * An invalid word reads as zero, which arms less; SAFING_DROPOUT_SAMPLES in a row are a fault. */
#ifndef SAFING_FRAME_H
#define SAFING_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define SAFING_WORD_MISSING 0xFFFFFFFFu
#define SAFING_DATA_MAX 30720
#define SAFING_DROPOUT_SAMPLES 8u

typedef struct {
    uint32_t invalid_in_a_row;
} safing_link;

typedef struct {
    int16_t sample_lsb;
    bool valid;
    bool dropout;
} safing_reading;

void safing_link_init(safing_link *link);

safing_reading safing_receive(safing_link *link, uint32_t word);

/* The word that a healthy sensor sends, for tests and simulation. */
uint32_t safing_word(int16_t payload);

#endif

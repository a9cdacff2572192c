/* Words of the main sensor's interface, modelled on PSI5 with a 16-bit payload (layout assumed, not a certified PSI5):
 *   bits 0 to 15   payload, two's complement
 *   bits 16 to 18  CRC of the payload: x^3 + x + 1, started at 7, payload sent bit 0 first
 *   above          zero; a word of all ones means that no frame came in its slot
 * Payloads within +-FRAME_DATA_MAX are samples; beyond that they are error codes of the sensor.
 *
 * Policy for invalid samples: the classifier reads SUBSTITUTE_LSB, zero, so it always gets one count every sample and
 * what is proved for every window of counts holds. What is proved for a corridor of counts holds only for recordings
 * without invalid samples: a substituted count may leave the corridor. DROPOUT_SAMPLES of them in a row are a fault. */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "crumple_model.h"

#define FRAME_MISSING 0xFFFFFFFFu
#define FRAME_DATA_MAX 30720
#define SUBSTITUTE_LSB 0

/* 4 ms at 2 kHz; a shorter gap costs less than the crumple zone of a decision (assumed). */
#define DROPOUT_SAMPLES 8u

/* The same count beyond FRAME_QUIET_LSB for 50 ms at 2 kHz: no crash holds still (assumed). A sensor that sticks
 * near zero is not found by this rule, only by the sensor's own error code. */
#define STUCK_SAMPLES 100u
#define FRAME_QUIET_LSB (CRUMPLE_CLAMP_LSB / 60)

typedef enum {
    FRAME_VALID = 0,
    FRAME_ABSENT = 1,    /* nothing came */
    FRAME_CORRUPT = 2,   /* CRC, or bits that must be zero */
    FRAME_ERROR_CODE = 3 /* the sensor says that it is faulty */
} frame_verdict;

typedef struct {
    int16_t last_lsb;
    uint32_t same;    /* samples for which the last count has not changed */
    uint32_t invalid; /* in a row */
} frame_monitor;

typedef struct {
    int16_t sample_lsb; /* SUBSTITUTE_LSB unless valid */
    frame_verdict verdict;
    bool dropout;       /* too many invalid ones in a row */
    bool stuck;
} frame_reading;

void frame_init(frame_monitor *monitor);

/* Judge one word and follow the sensor over time. */
frame_reading frame_read(frame_monitor *monitor, uint32_t word);

/* The word that a healthy sensor sends, for tests and simulation. */
uint32_t frame_word(int16_t payload);

#endif

/* Event data recorder: what 49 CFR 563 asks of a unit with one frontal sensor, kept for two events.
 *
 * It only listens: every tick it is told what the sensor said and what the controller did. Velocity change is positive
 * forward, after SAE J211, so it is negative in a frontal crash, while samples are positive for deceleration.
 *
 *   time zero    the first sample of the shortest interval, within 20 ms, over which velocity changes by 0.8 km/h: the
 *                discrimination runs all the time; else the first firing current, or the sample that makes it 8 km/h
 *   end          from 20 ms after time zero on, velocity changes by 0.8 km/h or less within the last 20 ms
 *   kept         if a bag was fired, or velocity changed by 8 km/h within 150 ms
 *   locked       if the unit has ever fired: never overwritten. Else the older of two events gives way to a third.
 *
 * Thresholds stand in 563.5 (unverified), elements and formats in 563.7 and 563.8, locks in 563.9. docs/reference/edr.md
 * has the image byte for byte, and says what is assumed. */
#ifndef EDR_H
#define EDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crumple_arming.h"
#include "crumple_model.h"

#if (CRUMPLE_SAMPLE_RATE_HZ % 100) != 0
#error "the recorder needs a whole number of samples in 10 ms"
#endif

#define EDR_VERSION 1u
#define EDR_SLOTS 2u
#define EDR_STAGES 2u
#define EDR_DELTA_V_VALUES 26u /* 0, 10, ... 250 ms */
#define EDR_PAST_VALUES 11u    /* -5, -4.5, ... 0 s */

#define EDR_SAMPLES(ms) (((uint32_t)(ms) * (uint32_t)CRUMPLE_SAMPLE_RATE_HZ) / 1000u)
#define EDR_RING_SAMPLES EDR_SAMPLES(150u)

#define EDR_HEADER_BYTES 16u
#define EDR_SLOT_BYTES 92u
#define EDR_CRC_BYTES 4u
#define EDR_IMAGE_BYTES (EDR_HEADER_BYTES + (EDR_SLOTS * EDR_SLOT_BYTES) + EDR_CRC_BYTES)

#define EDR_NOT_AVAILABLE 255u
#define EDR_NO_TIME 65535u
#define EDR_NO_DELTA_V (-128)

#define EDR_USED 0x01u
#define EDR_LOCKED 0x02u
#define EDR_COMPLETE 0x04u
#define EDR_DEPLOYED 0x08u
#define EDR_DISPOSAL 0x10u        /* the second stage was only disposed of */
#define EDR_FROM_DEPLOYMENT 0x20u /* time zero is the first firing current */
#define EDR_ENDED 0x40u

/* What other units of the car report; EDR_NOT_AVAILABLE where they do not. */
typedef struct {
    uint8_t speed_kmh;
    uint8_t throttle_percent;
    uint8_t brake; /* 0 or 1 */
    uint8_t belt;  /* driver's, 0 or 1 */
} edr_vehicle;

/* What the recorder is told in a tick. */
typedef struct {
    uint32_t trouble;
    int16_t sample_lsb; /* what the discrimination read */
    uint8_t mode;       /* of the controller, a number to keep */
    bool is_running;    /* false: a reset, what is under way is lost */
    bool is_lost;       /* the sample was not valid and is a substitute */
    bool is_firing;     /* stages may still come */
    bool has_fired;     /* this unit, ever */
    bool lamp;
    bool current[EDR_STAGES];
    edr_vehicle vehicle;
} edr_tick;

/* One event, in the units of its image. */
typedef struct {
    uint32_t zero_tick;
    uint32_t trouble;
    uint16_t order;
    uint16_t ignition_cycle;
    uint16_t stage_ms[EDR_STAGES];
    uint16_t end_ms;
    uint16_t lost;
    uint8_t flags;
    uint8_t number;
    uint8_t gap_ds; /* tenths of a second from event 1 */
    uint8_t lamp_before;
    uint8_t belt_before;
    uint8_t lamp;
    uint8_t mode;
    uint8_t max_time; /* 2.5 ms */
    uint8_t n_delta_v;
    int8_t max_kmh;
    int8_t delta_v_kmh[EDR_DELTA_V_VALUES];
    uint8_t speed_kmh[EDR_PAST_VALUES];
    uint8_t throttle_percent[EDR_PAST_VALUES];
    uint8_t brake[EDR_PAST_VALUES];
} edr_record;

/* What survives a loss of power. */
typedef struct {
    edr_record slot[EDR_SLOTS];
    uint16_t ignition_cycle;
    uint16_t order;      /* events kept so far */
    uint16_t not_stored; /* events worth keeping that found both slots locked */
} edr_memory;

typedef enum { EDR_IDLE = 0, EDR_RECORDING = 1, EDR_HOLDING = 2 } edr_phase;

typedef struct {
    edr_memory memory;
    edr_record now; /* of the event under way */
    edr_phase phase;
    uint32_t ticks;  /* since power-on */
    uint32_t n;      /* samples since time zero */
    uint32_t end;    /* n at the end of the event, 0 before */
    uint32_t max_at; /* n at the largest change */
    int32_t sum_lsb; /* since time zero */
    int32_t max_lsb;
    bool is_severe;  /* 8 km/h within 150 ms */
    bool was_kept;   /* the last event */
    bool has_previous;
    uint32_t previous_zero;
    int16_t ring_lsb[EDR_RING_SAMPLES];
    bool ring_lost[EDR_RING_SAMPLES];
    uint32_t next;
    uint32_t filled;
    int32_t short_lsb; /* of the last 20 ms */
    int32_t long_lsb;  /* of the ring */
    edr_vehicle past[EDR_PAST_VALUES]; /* oldest first */
    uint8_t past_lamp[EDR_PAST_VALUES];
} edr_recorder;

/* A blank recorder, as from the factory. */
void edr_init(edr_recorder *self);

/* The ignition is switched on: a new cycle; what was kept stays. */
void edr_power_on(edr_recorder *self);

/* One tick of the controller. */
void edr_step(edr_recorder *self, const edr_tick *tick);

/* The image that a reading tool downloads. */
void edr_download(const edr_recorder *self, uint8_t image[EDR_IMAGE_BYTES]);

#endif

/* One firing loop: its diagnosis while idle, and its current profile when fired. */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "crumple_model.h"

/* All-fire profile 1.2 A for 2 ms, after AK-LV 16 and USCAR-28 (assumed). */
#define LOOP_CURRENT_MA 1200u
#define LOOP_PULSE_SAMPLES ((2u * CRUMPLE_SAMPLE_RATE_HZ) / 1000u)

/* Bridge and harness accepted: 1.5 to 3.7 ohm, service data of one maker's front driver loop. */
#define LOOP_LOW_MOHM 1500u
#define LOOP_HIGH_MOHM 3700u
#define LOOP_LEAK_TO_GROUND 1u
#define LOOP_LEAK_TO_SUPPLY 2u
#define LOOP_DEBOUNCE_SAMPLES 16u

typedef enum {
    LOOP_GOOD = 0,
    LOOP_SHORT_TO_GROUND = 0x11, /* failure types as one maker's trouble codes number them */
    LOOP_SHORT_TO_SUPPLY = 0x12,
    LOOP_OPEN = 0x13,
    LOOP_LOW = 0x1A
} loop_finding;

/* What the driver's measuring circuit sees. */
typedef struct {
    uint16_t resistance_mohm; /* 65535 is that or more */
    uint8_t leakage;          /* LOOP_LEAK_ bits */
} loop_sense;

typedef struct {
    loop_finding finding; /* debounced; stays until reset */
    uint32_t bad;         /* diagnoses in a row that found something */
    uint32_t left;        /* samples of firing current still to come */
    bool started;         /* fired once; never again */
    bool weak;            /* current fell below the profile while firing */
} loop;

void loop_init(loop *self);

/* One diagnosis, while nothing fires. */
void loop_diagnose(loop *self, loop_sense sense);

/* Start the profile once; a second call and a loop shorted to ground or supply do nothing. */
void loop_start(loop *self);

/* Current of this sample in mA; energy_mv drives it through the loop. */
uint32_t loop_step(loop *self, loop_sense sense, uint32_t energy_mv);

#endif

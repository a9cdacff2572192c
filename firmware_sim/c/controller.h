/* Simulated airbag controller: one frontal bag of two stages, a main and a safing sensor.
 *
 *   OFF_RESET -> INIT --self-tests pass--> NORMAL <-> ALGO_ACTIVE <-> ARMED --fire request--> FIRE -> POST_CRASH -> CRASH_LOCK
 *
 * FIRE needs a fire request of the discrimination AND arming by the safing path AND that both sensors agree AND no other
 * inhibit, in the same sample.
 * INIT with a failed self-test, and a sensor fault later, lead to FAULT, where nothing fires until reset.
 * CRASH_LOCK is for good: its mark is stored before the first firing current flows. PLANT fires nothing either.
 *
 * Wake-up names the state, freezes the offset and pauses diagnosis. It does not gate the discrimination, which takes
 * every sample from INIT on, and is heeded from NORMAL on; so what is proved for every window of counts does not depend on wake-up. */
#ifndef CONTROLLER_H
#define CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agreement.h"
#include "crumple_model.h"
#include "frame.h"
#include "loop.h"
#include "offset.h"
#include "safing.h"
#include "safing_frame.h"
#include "watchdog.h"

#define CONTROLLER_MS(ms) (((ms) * (uint32_t)CRUMPLE_SAMPLE_RATE_HZ) / 1000u)

/* INIT lasts until every window holds samples that were really taken: after a reset in mid-event, zeros before the
 * first sample would look like the onset of a crash. Simulated: a real controller takes 2 to 6 s for its self-check. */
#define CONTROLLER_VOTING_SAMPLES (CRUMPLE_WINDOW_SAMPLES + CRUMPLE_CONFIRM_WINDOW)
#define CONTROLLER_ARMING_SAMPLES ((uint32_t)CRUMPLE_ARMING_WINDOW_SAMPLES)
#define CONTROLLER_INIT_SAMPLES                                                                                        \
    ((CONTROLLER_VOTING_SAMPLES > CONTROLLER_ARMING_SAMPLES) ? CONTROLLER_VOTING_SAMPLES : CONTROLLER_ARMING_SAMPLES)

/* Wake-up is two counts in a row beyond 2 g of a sensor of 120 g, as one maker does; sleep after 20 ms within. */
#define CONTROLLER_WAKE_UP_LSB FRAME_QUIET_LSB
#define CONTROLLER_WAKE_UP_SAMPLES 2u
#define CONTROLLER_SLEEP_SAMPLES CONTROLLER_MS(20u)

/* Parameters are summed again this often while nothing happens, and at the very moment of firing (assumed: 32 ms). */
#define CONTROLLER_PARAMETERS_SAMPLES 64u

/* The second stage follows 10 ms after the first if the discrimination still asks for it (5 to 40 ms is common, assumed),
 * else after 120 ms to dispose of it, as one maker does. */
#define CONTROLLER_SECOND_STAGE_SAMPLES CONTROLLER_MS(10u)
#define CONTROLLER_DISPOSAL_SAMPLES CONTROLLER_MS(120u)

/* Below this the energy reserve feeds the controller, for 150 ms after two makers' texts. Voltages assumed. */
#define CONTROLLER_BATTERY_LOW_MV 9000u
#define CONTROLLER_RESERVE_SAMPLES CONTROLLER_MS(150u)
#define CONTROLLER_FIRING_MV 25000u

#define CONTROLLER_LOOPS 2u

/* Marks in the non-volatile memory: far from each other, from zero and from erased cells in many bits. */
#define CONTROLLER_LOCKED 0xC3A55A3Cu
#define CONTROLLER_PLANT_KEY 0x9E6B17D4u

typedef enum {
    CONTROLLER_OFF_RESET = 0,
    CONTROLLER_INIT = 1,
    CONTROLLER_NORMAL = 2,
    CONTROLLER_ALGO_ACTIVE = 3,
    CONTROLLER_ARMED = 4,
    CONTROLLER_FIRE = 5,
    CONTROLLER_POST_CRASH = 6,
    CONTROLLER_CRASH_LOCK = 7,
    CONTROLLER_FAULT = 8,
    CONTROLLER_PLANT = 9
} controller_mode;

/* Trouble codes, kept in the non-volatile memory. */
#define TROUBLE_PARAMETERS 0x001u     /* CRC of the parameters at start, or their sum later */
#define TROUBLE_SELFTEST 0x002u       /* known answers */
#define TROUBLE_MAIN_DROPOUT 0x004u
#define TROUBLE_MAIN_STUCK 0x008u
#define TROUBLE_SAFING_DROPOUT 0x010u
#define TROUBLE_WATCHDOG 0x020u
#define TROUBLE_FLOW 0x040u
#define TROUBLE_MEMORY 0x080u         /* the mode and its complement disagree, or no such mode */
#define TROUBLE_LOOP_1 0x100u
#define TROUBLE_LOOP_2 0x200u
#define TROUBLE_BATTERY 0x400u
#define TROUBLE_WEAK_CURRENT 0x800u
#define TROUBLE_SENSORS_DISAGREE 0x1000u /* for long; firing is inhibited while they do */

/* What survives a reset. */
typedef struct {
    uint32_t locked;    /* CONTROLLER_LOCKED after a deployment */
    uint32_t plant_key; /* CONTROLLER_PLANT_KEY while in the plant */
    uint32_t trouble;   /* TROUBLE_ bits */
} controller_memory;

typedef struct {
    controller_memory memory;
    const crumple_parameters *parameters;
    uint32_t parameters_sum; /* taken when their CRC was found right */
    controller_mode mode;
    uint32_t mode_complement;
    uint32_t samples_in_mode;
    crumple_state discrimination;
    safing_state safing;
    frame_monitor main_link;
    safing_link second_link;
    offset_tracker offset;
    agreement sensors;
    loop loops[CONTROLLER_LOOPS];
    watchdog dog;
    uint32_t loud;    /* samples in a row beyond the wake-up level, counted to CONTROLLER_WAKE_UP_SAMPLES */
    uint32_t awake;   /* samples until sleep */
    uint32_t reserve; /* samples that the energy reserve still lasts */
} controller;

/* One tick's worth of the outside world. */
typedef struct {
    uint32_t main_word;
    uint32_t safing_word;
    uint32_t clock_us; /* an independent clock; wraps */
    uint32_t battery_mv;
    loop_sense loops[CONTROLLER_LOOPS];
} controller_input;

typedef struct {
    int64_t y;            /* 0 where the discrimination does not run */
    controller_mode mode; /* after this sample */
    uint32_t current_ma[CONTROLLER_LOOPS];
    uint32_t trouble;
    int16_t sample_lsb;   /* what the discrimination read */
    bool vote;
    bool fire_request;
    bool armed;
    bool awake;
    bool lamp;
    bool crash_output;    /* fuel cut, doors unlocked, emergency call */
    bool sensors_agree;
} controller_output;

/* A new controller with the parameters that were proved, and one with others, which INIT refuses. */
void controller_init(controller *self);
void controller_init_with(controller *self, const crumple_parameters *parameters);

/* A reset: everything but the non-volatile memory and the charge of the reserve, which is physics, starts anew. */
void controller_power_on(controller *self);

/* One tick: one word of each sensor. */
controller_output controller_step(controller *self, const controller_input *input);

#endif

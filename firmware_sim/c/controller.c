#include "controller.h"

#include "crumple_calibration.h"
#include "crumple_selftest.h"

/* Parts of a tick, in order; the program-flow check counts them. */
#define PART_POWER 1u
#define PART_MAIN 2u
#define PART_SAFING 3u
#define PART_AGREEMENT 4u
#define PART_DECISION 5u
#define PART_LOOPS 6u
#define N_PARTS 6u

/* What the sensors say in this tick. */
typedef struct {
    int16_t main_lsb; /* corrected by the offset */
    int16_t safing_lsb;
    bool main_valid;
    bool safing_valid;
    bool armed;
    bool fire_request;
    bool sensors_agree;
    uint32_t sensor_trouble;
} perception;

static void enter(controller *self, controller_mode mode)
{
    if (self->mode != mode) {
        self->mode = mode;
        self->mode_complement = ~(uint32_t)mode;
        self->samples_in_mode = 0u;
    }
}

static bool runs(controller_mode mode)
{
    return (mode == CONTROLLER_NORMAL) || (mode == CONTROLLER_ALGO_ACTIVE) || (mode == CONTROLLER_ARMED)
        || (mode == CONTROLLER_FIRE);
}

/* Whether the windows are fed, be it that nothing heeds them yet. */
static bool listens(controller_mode mode)
{
    return (mode == CONTROLLER_INIT) || runs(mode);
}

void controller_power_on(controller *self)
{
    self->mode = CONTROLLER_OFF_RESET;
    self->mode_complement = ~(uint32_t)CONTROLLER_OFF_RESET;
    self->samples_in_mode = 0u;
    crumple_init(&self->discrimination);
    safing_init(&self->safing);
    frame_init(&self->main_link);
    safing_link_init(&self->second_link);
    offset_init(&self->offset);
    agreement_init(&self->sensors);
    for (size_t k = 0u; k < CONTROLLER_LOOPS; ++k) {
        loop_init(&self->loops[k]);
    }
    watchdog_init(&self->dog);
    self->loud = 0u;
    self->awake = 0u;
}

void controller_init_with(controller *self, const crumple_parameters *parameters)
{
    self->memory.locked = 0u;
    self->memory.plant_key = 0u;
    self->memory.trouble = 0u;
    self->parameters = parameters;
    self->parameters_sum = 0u;
    self->reserve = CONTROLLER_RESERVE_SAMPLES;
    controller_power_on(self);
}

void controller_init(controller *self)
{
    controller_init_with(self, &crumple_built_in);
}

/* Whether there is energy to go on, from the battery or from the reserve. */
static bool is_powered(controller *self, uint32_t battery_mv)
{
    watchdog_passed(&self->dog, PART_POWER);
    if (battery_mv >= CONTROLLER_BATTERY_LOW_MV) {
        self->reserve = CONTROLLER_RESERVE_SAMPLES;
    } else {
        self->memory.trouble |= TROUBLE_BATTERY;
        if (self->reserve > 0u) {
            self->reserve -= 1u;
        }
    }
    return self->reserve > 0u;
}

/* Wake-up and sleep. */
static void listen(controller *self, int16_t sample_lsb)
{
    const bool loud = (sample_lsb > CONTROLLER_WAKE_UP_LSB) || (sample_lsb < -CONTROLLER_WAKE_UP_LSB);
    if (!loud) {
        self->loud = 0u;
    } else if (self->loud < CONTROLLER_WAKE_UP_SAMPLES) {
        self->loud += 1u;
    } else {
        /* counted far enough */
    }
    if (self->loud >= CONTROLLER_WAKE_UP_SAMPLES) {
        self->awake = CONTROLLER_SLEEP_SAMPLES;
    } else if (self->awake > 0u) {
        self->awake -= 1u;
    } else {
        /* asleep */
    }
}

static void main_path(controller *self, uint32_t word, perception *seen, controller_output *output)
{
    const frame_reading reading = frame_read(&self->main_link, word);
    watchdog_passed(&self->dog, PART_MAIN);
    seen->main_valid = reading.verdict == FRAME_VALID;
    seen->main_lsb = seen->main_valid ? (int16_t)(reading.sample_lsb - self->offset.offset_lsb) : (int16_t)SUBSTITUTE_LSB;
    seen->sensor_trouble |= reading.dropout ? TROUBLE_MAIN_DROPOUT : 0u;
    seen->sensor_trouble |= reading.stuck ? TROUBLE_MAIN_STUCK : 0u;
    if (listens(self->mode)) {
        const crumple_status status = crumple_step_with(&self->discrimination, seen->main_lsb, self->parameters);
        output->y = status.y;
        output->vote = status.vote;
        seen->fire_request = status.fire_request;
        listen(self, seen->main_lsb);
    }
    output->sample_lsb = seen->main_lsb;
    output->fire_request = seen->fire_request;
}

static void safing_path(controller *self, uint32_t word, perception *seen, controller_output *output)
{
    const safing_reading reading = safing_receive(&self->second_link, word);
    watchdog_passed(&self->dog, PART_SAFING);
    seen->safing_valid = reading.valid;
    seen->safing_lsb = reading.sample_lsb;
    seen->sensor_trouble |= reading.dropout ? TROUBLE_SAFING_DROPOUT : 0u;
    if (listens(self->mode)) {
        seen->armed = safing_step(&self->safing, reading.sample_lsb);
    }
    output->armed = seen->armed;
}

/* The two paths meet here for the first time, to inhibit. */
static void compare(controller *self, perception *seen, controller_output *output)
{
    watchdog_passed(&self->dog, PART_AGREEMENT);
    if (listens(self->mode)) {
        const bool valid = seen->main_valid && seen->safing_valid;
        seen->sensors_agree = agreement_step(&self->sensors, valid, seen->main_lsb, seen->safing_lsb);
    }
    output->sensors_agree = seen->sensors_agree;
}

/* A sum that every single changed bit of the parameters changes; a hundredth of the work of their CRC. */
static uint32_t sum_of(const crumple_parameters *parameters)
{
    const uint64_t bias = (uint64_t)parameters->output_bias;
    /* Row after row, whether the header declares rows or one long table. */
    const crumple_weight *const hidden_weight = (const crumple_weight *)parameters->hidden_weight;
    uint32_t sum = (uint32_t)(bias & 0xFFFFFFFFu) + (uint32_t)(bias >> 32u);
    for (size_t j = 0u; j < CRUMPLE_HIDDEN; ++j) {
        const int32_t output_weight = parameters->output_weight[j];
        sum += (uint32_t)parameters->hidden_bias[j];
        sum += (uint32_t)output_weight;
    }
    for (size_t k = 0u; k < ((size_t)CRUMPLE_HIDDEN * CRUMPLE_BLOCKS); ++k) {
        const int32_t weight = hidden_weight[k];
        sum += (uint32_t)weight;
    }
    return sum;
}

/* Trouble found by the tests at start; 0 when all pass. */
static uint32_t self_test(const crumple_parameters *parameters)
{
    uint32_t trouble = 0u;
    if (crumple_parameters_crc32(parameters) != CRUMPLE_PARAMETERS_CRC32) {
        trouble |= TROUBLE_PARAMETERS;
    }
    if (crumple_selftest() != CRUMPLE_SELFTEST_PASSED) {
        trouble |= TROUBLE_SELFTEST;
    }
    return trouble;
}

static void start(controller *self)
{
    if (self->memory.locked != 0u) {
        /* Anything but a blank cell locks: a flipped bit must not unlock a unit that has fired. */
        enter(self, CONTROLLER_CRASH_LOCK);
    } else if (self->memory.plant_key == CONTROLLER_PLANT_KEY) {
        enter(self, CONTROLLER_PLANT);
    } else {
        const uint32_t trouble = self_test(self->parameters);
        self->memory.trouble |= trouble;
        self->parameters_sum = sum_of(self->parameters);
        enter(self, (trouble == 0u) ? CONTROLLER_INIT : CONTROLLER_FAULT);
    }
}

/* Both paths, and what follows from them, while nothing has fired. */
static void watch(controller *self, const perception *seen)
{
    const bool fires = seen->fire_request && seen->armed && seen->sensors_agree;
    const bool due = (self->samples_in_mode % CONTROLLER_PARAMETERS_SAMPLES) == 0u;
    uint32_t trouble = seen->sensor_trouble;
    if ((fires || due) && (sum_of(self->parameters) != self->parameters_sum)) {
        trouble |= TROUBLE_PARAMETERS;
    }
    if (agreement_is_lost(&self->sensors)) {
        self->memory.trouble |= TROUBLE_SENSORS_DISAGREE;
    }
    if (trouble != 0u) {
        self->memory.trouble |= trouble;
        enter(self, CONTROLLER_FAULT);
    } else if (fires) {
        self->memory.locked = CONTROLLER_LOCKED;
        enter(self, CONTROLLER_FIRE);
        loop_start(&self->loops[0]);
    } else if (seen->armed) {
        enter(self, CONTROLLER_ARMED);
    } else if (self->awake > 0u) {
        enter(self, CONTROLLER_ALGO_ACTIVE);
    } else {
        enter(self, CONTROLLER_NORMAL);
    }
}

/* The stages after the first, until all is done. */
static void fire(controller *self, const perception *seen)
{
    const uint32_t since = self->samples_in_mode;
    const bool wanted = (since == CONTROLLER_SECOND_STAGE_SAMPLES) && seen->fire_request;
    if (wanted || (since == CONTROLLER_DISPOSAL_SAMPLES)) {
        loop_start(&self->loops[1]);
    }
    if (since > (CONTROLLER_DISPOSAL_SAMPLES + LOOP_PULSE_SAMPLES)) {
        enter(self, CONTROLLER_POST_CRASH);
    }
}

static void decide(controller *self, const perception *seen)
{
    const bool was_idle = self->mode == CONTROLLER_NORMAL;
    watchdog_passed(&self->dog, PART_DECISION);
    switch (self->mode) {
    case CONTROLLER_OFF_RESET:
        start(self);
        break;
    case CONTROLLER_INIT:
        if (self->samples_in_mode >= CONTROLLER_INIT_SAMPLES) {
            enter(self, CONTROLLER_NORMAL);
        }
        break;
    case CONTROLLER_NORMAL:
    case CONTROLLER_ALGO_ACTIVE:
    case CONTROLLER_ARMED:
        watch(self, seen);
        break;
    case CONTROLLER_FIRE:
        fire(self, seen);
        break;
    case CONTROLLER_POST_CRASH:
        enter(self, CONTROLLER_CRASH_LOCK);
        break;
    case CONTROLLER_CRASH_LOCK:
    case CONTROLLER_FAULT:
    case CONTROLLER_PLANT:
        /* Only a reset leaves these. */
        break;
    default:
        self->memory.trouble |= TROUBLE_MEMORY;
        enter(self, CONTROLLER_FAULT);
        break;
    }
    if (was_idle && (self->mode == CONTROLLER_NORMAL) && seen->main_valid && (self->loud == 0u)) {
        offset_follow(&self->offset, seen->main_lsb);
    }
}

static void drive_loops(controller *self, const controller_input *input, controller_output *output)
{
    static const uint32_t trouble[CONTROLLER_LOOPS] = {TROUBLE_LOOP_1, TROUBLE_LOOP_2};
    watchdog_passed(&self->dog, PART_LOOPS);
    for (size_t k = 0u; k < CONTROLLER_LOOPS; ++k) {
        loop *const self_loop = &self->loops[k];
        if (self->mode == CONTROLLER_NORMAL) {
            loop_diagnose(self_loop, input->loops[k]);
        }
        if (self->mode == CONTROLLER_FIRE) {
            output->current_ma[k] = loop_step(self_loop, input->loops[k], CONTROLLER_FIRING_MV);
        }
        self->memory.trouble |= (self_loop->finding != LOOP_GOOD) ? trouble[k] : 0u;
        self->memory.trouble |= self_loop->weak ? TROUBLE_WEAK_CURRENT : 0u;
    }
}

/* Everything that must hold before the outputs of a tick are believed; else a reset, and no current. */
static void reset_with(controller *self, uint32_t trouble, controller_output *output)
{
    const controller_output nothing = {0, CONTROLLER_OFF_RESET, {0u, 0u}, 0u, 0, false, false, false, false, false,
                                       false, false};
    self->memory.trouble |= trouble;
    controller_power_on(self);
    *output = nothing;
}

controller_output controller_step(controller *self, const controller_input *input)
{
    controller_output output = {0, CONTROLLER_OFF_RESET, {0u, 0u}, 0u, 0, false, false, false, false, false,
                                false, false};
    perception seen = {0, 0, false, false, false, false, false, 0u};
    self->samples_in_mode += 1u;
    if (!watchdog_tick(&self->dog, input->clock_us)) {
        reset_with(self, TROUBLE_WATCHDOG, &output);
    } else if (self->mode_complement != ~(uint32_t)self->mode) {
        reset_with(self, TROUBLE_MEMORY, &output);
    } else if (!is_powered(self, input->battery_mv)) {
        reset_with(self, 0u, &output);
    } else {
        main_path(self, input->main_word, &seen, &output);
        safing_path(self, input->safing_word, &seen, &output);
        compare(self, &seen, &output);
        decide(self, &seen);
        drive_loops(self, input, &output);
        if (!watchdog_flow_is_right(&self->dog, N_PARTS)) {
            reset_with(self, TROUBLE_FLOW, &output);
        }
    }
    output.mode = self->mode;
    output.trouble = self->memory.trouble;
    output.awake = self->awake > 0u;
    output.lamp = (!runs(self->mode)) || (self->memory.trouble != 0u);
    output.crash_output = self->memory.locked == CONTROLLER_LOCKED;
    return output;
}

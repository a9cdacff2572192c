/* Faults of the processor itself, which nothing from outside brings about: a part of a tick that leaves no mark, an
 * answer of the self-test with a flipped bit. The linker puts the functions here between callers and callees
 * (--wrap). Returns the line of the first expectation that does not hold, 0 if all do.
 *
 * The model is that of the tests: 1900 counts on the main and 400 on the safing sensor fire it within some samples. */
#include "controller.h"
#include "drive.h"

#include "crumple_calibration.h"
#include "crumple_selftest.h"

#define EXPECT(holds)                                                                                                  \
    do {                                                                                                               \
        if (!(holds)) {                                                                                                \
            return __LINE__;                                                                                           \
        }                                                                                                              \
    } while (0)

#define REST 0
#define CRASH_MAIN 1900
#define CRASH_SAFING 400
#define PARTS 6u
#define NEVER UINT32_MAX

int processor_faults(void);

void __real_watchdog_passed(watchdog *self, uint32_t part);
uint32_t __real_crumple_parameters_crc32(const crumple_parameters *parameters);
int64_t __real_crumple_output(const crumple_parameters *parameters, const crumple_block block[CRUMPLE_BLOCKS]);
crumple_status __real_crumple_step_with(crumple_state *state, int16_t sample_lsb, const crumple_parameters *parameters);
void __wrap_watchdog_passed(watchdog *self, uint32_t part);
uint32_t __wrap_crumple_parameters_crc32(const crumple_parameters *parameters);
int64_t __wrap_crumple_output(const crumple_parameters *parameters, const crumple_block block[CRUMPLE_BLOCKS]);
crumple_status __wrap_crumple_step_with(crumple_state *state, int16_t sample_lsb, const crumple_parameters *parameters);

/* What goes wrong: the part without its mark, and the call, counted from 0, whose answer has a flipped bit. */
static uint32_t lost_part;
static uint32_t wrong_sum = NEVER;
static uint32_t wrong_output = NEVER;
static uint32_t wrong_y = NEVER;
static uint32_t wrong_request = NEVER;

static uint32_t now_us;

void __wrap_watchdog_passed(watchdog *self, uint32_t part)
{
    if (part != lost_part) {
        __real_watchdog_passed(self, part);
    }
}

/* Whether this is the call that goes wrong; counts down to it. */
static bool is_now(uint32_t *calls_left)
{
    const bool now = *calls_left == 0u;
    *calls_left -= (*calls_left == NEVER) ? 0u : 1u; /* after 0 comes NEVER */
    return now;
}

uint32_t __wrap_crumple_parameters_crc32(const crumple_parameters *parameters)
{
    return __real_crumple_parameters_crc32(parameters) ^ (is_now(&wrong_sum) ? 1u : 0u);
}

int64_t __wrap_crumple_output(const crumple_parameters *parameters, const crumple_block block[CRUMPLE_BLOCKS])
{
    return __real_crumple_output(parameters, block) + (is_now(&wrong_output) ? 1 : 0);
}

crumple_status __wrap_crumple_step_with(crumple_state *state, int16_t sample_lsb, const crumple_parameters *parameters)
{
    crumple_status status = __real_crumple_step_with(state, sample_lsb, parameters);
    status.y += is_now(&wrong_y) ? 1 : 0;
    status.fire_request = status.fire_request != is_now(&wrong_request);
    return status;
}

static controller_output tick(controller *self, int16_t main_lsb, int16_t safing_lsb)
{
    controller_input input;
    drive_words(&main_lsb, &safing_lsb, 1u, &input);
    now_us += WATCHDOG_PERIOD_US;
    input.clock_us = now_us;
    return controller_step(self, &input);
}

static controller_output settled(controller *self)
{
    controller_output output = tick(self, REST, REST);
    for (uint32_t k = 0u; k < CONTROLLER_INIT_SAMPLES; ++k) {
        output = tick(self, REST, REST);
    }
    return output;
}

/* Whether a crash brings about current; ends with the first tick that carries it. */
static bool fires(controller *self)
{
    bool fired = false;
    for (uint32_t k = 0u; (k < 60u) && !fired; ++k) {
        fired = tick(self, (int16_t)(CRASH_MAIN - (int16_t)(k % 7u)), CRASH_SAFING).current_ma[0] > 0u;
    }
    return fired;
}

/* A tick without one of its parts resets, carries no current even in mid-pulse, and a unit that had fired is locked. */
static int parts_left_out(void)
{
    for (uint32_t part = 1u; part <= PARTS; ++part) {
        for (int firing = 0; firing < 2; ++firing) {
            controller self;
            controller_output output;
            controller_init(&self);
            EXPECT(settled(&self).mode == CONTROLLER_NORMAL);
            EXPECT((firing == 0) || fires(&self));
            lost_part = part;
            output = tick(&self, CRASH_MAIN, CRASH_SAFING);
            lost_part = 0u;
            EXPECT(output.mode == CONTROLLER_OFF_RESET);
            EXPECT((output.current_ma[0] == 0u) && (output.current_ma[1] == 0u));
            EXPECT((output.trouble & TROUBLE_FLOW) != 0u);
            EXPECT(output.lamp);
            output = tick(&self, REST, REST);
            EXPECT(output.mode == ((firing == 0) ? CONTROLLER_INIT : CONTROLLER_CRASH_LOCK));
        }
    }
    return 0;
}

/* A self-test with one wrong answer, be it any of them, leads to FAULT, and no crash fires after it. */
static int wrong_answers(void)
{
    static uint32_t *const which[] = {&wrong_sum, &wrong_output, &wrong_y, &wrong_request};
    static const crumple_selftest_verdict verdict[] = {CRUMPLE_SELFTEST_TABLES, CRUMPLE_SELFTEST_NET,
                                                       CRUMPLE_SELFTEST_STEP, CRUMPLE_SELFTEST_STEP};
    for (size_t k = 0u; k < (sizeof(which) / sizeof(which[0])); ++k) {
        uint32_t n_caught = 0u;
        bool reached = true;
        for (uint32_t call = 0u; reached; ++call) { /* until a self-test makes no such call any more */
            crumple_selftest_verdict found;
            *which[k] = call;
            found = crumple_selftest();
            reached = *which[k] == NEVER;
            *which[k] = NEVER;
            EXPECT((found == CRUMPLE_SELFTEST_PASSED) || (found == verdict[k]));
            n_caught += (found != CRUMPLE_SELFTEST_PASSED) ? 1u : 0u;
            EXPECT(reached || (found == CRUMPLE_SELFTEST_PASSED));
        }
        EXPECT(n_caught > 0u);
    }
    for (size_t k = 1u; k < (sizeof(which) / sizeof(which[0])); ++k) {
        controller self;
        controller_output output;
        controller_init(&self);
        *which[k] = (k == 1u) ? 0u : (CRUMPLE_WINDOW_SAMPLES - 1u); /* the first answer that is looked at */
        output = settled(&self);
        *which[k] = NEVER;
        EXPECT(output.mode == CONTROLLER_FAULT);
        EXPECT((output.trouble & TROUBLE_SELFTEST) != 0u);
        EXPECT(!fires(&self));
    }
    return 0;
}

int processor_faults(void)
{
    const int line = parts_left_out();
    return (line != 0) ? line : wrong_answers();
}

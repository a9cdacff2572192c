/* Carries the controller and its event data recorder on an emulated Cortex-M board and counts what every tick costs. No
 * part of either.
 *
 * The host writes in.bin: for each recording the number of its ticks, then a controller_input for each. Every recording
 * begins with a controller just started and a blank recorder. The board writes out.bin: for each tick the instructions
 * of both, then its controller_output; and edr.bin: for each recording the recorder's instructions in rest after it, so
 * that what is under way is closed, then its image. The files go through semihosting, between ticks.
 *
 * Under `-icount shift=10` QEMU advances virtual time by 1024 ns an instruction, and the timers of these boards count
 * down at 25 MHz: 25.6 counts are one instruction. Sleds of nops are counted first; if they do not read back exactly,
 * nothing here means anything. The 32 bits of the timer last for 167 million instructions. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller.h"
#include "drive.h"
#include "mirror.h"
#include "record.h"

/* The first CMSDK timer of the board. */
#define TIMER_CONTROL (*(volatile uint32_t *)0x40000000u)
#define TIMER_VALUE (*(volatile uint32_t *)0x40000004u)
#define TIMER_RELOAD (*(volatile uint32_t *)0x40000008u)
#define TIMER_ON 1u

#define SEMIHOSTING_OPEN 0x01u
#define SEMIHOSTING_CLOSE 0x02u
#define SEMIHOSTING_PRINT 0x04u
#define SEMIHOSTING_WRITE 0x05u
#define SEMIHOSTING_READ 0x06u
#define SEMIHOSTING_EXIT 0x18u
#define STOPPED_WELL 0x20026u
#define STOPPED_BADLY 0x20023u
#define READ_BINARY 1u
#define WRITE_BINARY 5u

#define CHUNK 512u
#define REST_TICKS EDR_SAMPLES(350u) /* a record is closed after 300 ms */
#define PAINT 0xA5A5A5A5u
#define PAINTED_WORDS 4096u

typedef struct {
    uint32_t instructions;
    uint32_t recorder; /* instructions of the event data recorder; the output that follows lies on 8 bytes */
    controller_output output;
} record;

typedef controller_output (*tick_function)(mirrored_controller *self, const controller_input *input);
typedef void (*listen_function)(edr_recorder *self, const edr_tick *tick);

extern uint32_t target_data_image, target_data_begin, target_data_end, target_bss_begin, target_bss_end, target_stack_top;

void target_reset(void);
void target_trap(void);

static controller_input inputs[CHUNK];
static record records[CHUNK];
static mirrored_controller started, running;
static edr_recorder recorder;
static edr_tick ticks[CHUNK];
static uint32_t rest_counts[REST_TICKS];
static uint8_t image[EDR_IMAGE_BYTES];
static uint32_t in_file, out_file, edr_file;
static uint32_t *bottom; /* stack pointer at the call of a tick */
static uint32_t overhead, listen_overhead;
static uint32_t stack_bytes, recorder_stack_bytes;

__attribute__((naked, noinline)) static uint32_t semihosting(uint32_t operation, const void *argument)
{
    __asm volatile("bkpt 0xAB\n bx lr");
    (void)operation;
    (void)argument;
}

static void say(const char *text)
{
    (void)semihosting(SEMIHOSTING_PRINT, text);
}

static void say_number(const char *name, uint32_t value)
{
    char digits[12];
    char *at = &digits[11];
    uint32_t left = value;
    *at = '\0';
    do {
        at -= 1;
        *at = (char)('0' + (char)(left % 10u));
        left /= 10u;
    } while (left != 0u);
    say(name);
    say(" ");
    say(at);
    say("\n");
}

__attribute__((noreturn)) static void stop(uint32_t reason)
{
    (void)semihosting(SEMIHOSTING_EXIT, (const void *)reason);
    for (;;) {
    }
}

__attribute__((noreturn)) static void fail(const char *why)
{
    say("FAILED ");
    say(why);
    say("\n");
    stop(STOPPED_BADLY);
}

static uint32_t opened(const char *name, uint32_t name_length, uint32_t how)
{
    const uint32_t arguments[3] = {(uint32_t)name, how, name_length};
    const uint32_t handle = semihosting(SEMIHOSTING_OPEN, arguments);
    if (handle == 0xFFFFFFFFu) {
        fail("a file cannot be opened");
    }
    return handle;
}

/* Whether all of it was there. */
static bool got(void *to, uint32_t bytes)
{
    const uint32_t arguments[3] = {in_file, (uint32_t)to, bytes};
    return semihosting(SEMIHOSTING_READ, arguments) == 0u;
}

static void put(uint32_t file, const void *from, uint32_t bytes)
{
    const uint32_t arguments[3] = {file, (uint32_t)from, bytes};
    if (semihosting(SEMIHOSTING_WRITE, arguments) != 0u) {
        fail("a file cannot be written");
    }
}

/* Counts of the timer that one call takes. */
__attribute__((noinline)) static uint32_t timed(tick_function tick, const controller_input *input, controller_output *output)
{
    uint32_t before = 0u;
    uint32_t after = 0u;
    __asm volatile("mov %0, sp" : "=r"(bottom));
    before = TIMER_VALUE;
    *output = tick(&running, input);
    after = TIMER_VALUE;
    return before - after;
}

__attribute__((noinline)) static uint32_t timed_recorder(listen_function listen, const edr_tick *tick)
{
    uint32_t before = 0u;
    uint32_t after = 0u;
    __asm volatile("mov %0, sp" : "=r"(bottom));
    before = TIMER_VALUE;
    listen(&recorder, tick);
    after = TIMER_VALUE;
    return before - after;
}

__attribute__((naked, noinline)) static controller_output nothing(mirrored_controller *self, const controller_input *input)
{
    __asm volatile("bx lr");
    (void)self;
    (void)input;
}

__attribute__((naked, noinline)) static void deaf(edr_recorder *self, const edr_tick *tick)
{
    __asm volatile("bx lr");
    (void)self;
    (void)tick;
}

/* Of counts of the timer, less those of a call that does nothing. */
static uint32_t instructions(uint32_t counts, uint32_t of_nothing)
{
    return (uint32_t)((((uint64_t)(counts - of_nothing) * 10u) + 128u) / 256u);
}

#define SLED(length)                                                                                                   \
    __attribute__((naked, noinline)) static controller_output sled_##length(mirrored_controller *self,                 \
                                                                            const controller_input *input)             \
    {                                                                                                                  \
        __asm volatile(".rept " #length "\n nop\n .endr\n bx lr");                                                     \
        (void)self;                                                                                                    \
        (void)input;                                                                                                   \
    }                                                                                                                  \
    __attribute__((naked, noinline)) static void deaf_##length(edr_recorder *self, const edr_tick *tick)               \
    {                                                                                                                  \
        __asm volatile(".rept " #length "\n nop\n .endr\n bx lr");                                                     \
        (void)self;                                                                                                    \
        (void)tick;                                                                                                    \
    }
SLED(1)
SLED(7)
SLED(100)
SLED(1000)

static void calibrate(void)
{
    static const tick_function sled[] = {sled_1, sled_7, sled_100, sled_1000};
    static const listen_function deaf_sled[] = {deaf_1, deaf_7, deaf_100, deaf_1000};
    static const uint32_t length[] = {1u, 7u, 100u, 1000u};
    controller_output unused;
    overhead = timed(nothing, inputs, &unused);
    overhead = timed(nothing, inputs, &unused);
    listen_overhead = timed_recorder(deaf, ticks);
    listen_overhead = timed_recorder(deaf, ticks);
    for (size_t k = 0u; k < (sizeof(length) / sizeof(length[0])); ++k) {
        if ((instructions(timed(sled[k], inputs, &unused), overhead) != length[k])
            || (instructions(timed_recorder(deaf_sled[k], ticks), listen_overhead) != length[k])) {
            fail("the counter does not read sleds of known length exactly");
        }
    }
}

/* The stack below this function, spoiled; and how much of it ticks used since, below their caller. */
__attribute__((noinline)) static void paint(void)
{
    uint32_t *sp;
    __asm volatile("mov %0, sp" : "=r"(sp));
    for (uint32_t *at = sp - PAINTED_WORDS; at < (sp - 16); ++at) {
        *(volatile uint32_t *)at = PAINT;
    }
}

__attribute__((noinline)) static uint32_t used_stack(void)
{
    uint32_t *sp;
    const volatile uint32_t *at;
    __asm volatile("mov %0, sp" : "=r"(sp));
    at = sp - (PAINTED_WORDS - 64u);
    if (*at != PAINT) {
        fail("the stack reaches beyond what was painted");
    }
    while ((at < bottom) && (*at == PAINT)) {
        at += 1;
    }
    return (uint32_t)(bottom - at) * (uint32_t)sizeof(uint32_t);
}

/* From power-on to NORMAL as drive_start(), each tick counted. */
static void start_up(void)
{
    static const int16_t rest = 0;
    uint32_t total = 0u;
    uint32_t most = 0u;
    controller_input input;
    controller_output output;
    drive_words(&rest, &rest, 1u, &input);
    mirrored_init_with(&running, &crumple_built_in);
    for (uint32_t k = CONTROLLER_INIT_SAMPLES + 1u; k > 0u; --k) {
        uint32_t count = 0u;
        input.clock_us = (0u - k) * WATCHDOG_PERIOD_US;
        count = instructions(timed(mirrored_step, &input, &output), overhead);
        total += count;
        most = (count > most) ? count : most;
    }
    if (output.mode != CONTROLLER_NORMAL) {
        fail("the controller does not start");
    }
    started = running;
    say_number("START_TICKS", CONTROLLER_INIT_SAMPLES + 1u);
    say_number("START_TOTAL", total);
    say_number("START_MOST", most);
}

/* n ticks that the recorder is told, timed one by one, and its stack. */
static void run_recorder(uint32_t n)
{
    uint32_t used = 0u;
    paint();
    for (uint32_t k = 0u; k < n; ++k) {
        records[k].recorder = timed_recorder(edr_step, &ticks[k]);
    }
    used = used_stack();
    recorder_stack_bytes = (used > recorder_stack_bytes) ? used : recorder_stack_bytes;
    for (uint32_t k = 0u; k < n; ++k) {
        records[k].recorder = instructions(records[k].recorder, listen_overhead);
    }
}

/* Rest after a recording: its last tick over and over, of which nothing is left but the standing of the controller. */
static void run_rest(edr_tick last)
{
    uint32_t done = 0u;
    last.sample_lsb = 0;
    last.is_lost = false;
    last.is_firing = false;
    for (size_t k = 0u; k < EDR_STAGES; ++k) {
        last.current[k] = false;
    }
    while (done < REST_TICKS) {
        const uint32_t n = ((REST_TICKS - done) < CHUNK) ? (REST_TICKS - done) : CHUNK;
        for (uint32_t k = 0u; k < n; ++k) {
            ticks[k] = last;
        }
        run_recorder(n);
        for (uint32_t k = 0u; k < n; ++k) {
            rest_counts[done + k] = records[k].recorder;
        }
        done += n;
    }
}

static void run_recording(uint32_t n_ticks)
{
    uint32_t left = n_ticks;
    edr_tick last = ticks[0];
    running = started;
    record_start(&recorder);
    while (left > 0u) {
        const uint32_t n = (left < CHUNK) ? left : CHUNK;
        uint32_t used = 0u;
        if (!got(inputs, n * (uint32_t)sizeof(controller_input))) {
            fail("in.bin ends within a recording");
        }
        paint();
        for (uint32_t k = 0u; k < n; ++k) {
            records[k].instructions = instructions(timed(mirrored_step, &inputs[k], &records[k].output), overhead);
        }
        used = used_stack();
        stack_bytes = (used > stack_bytes) ? used : stack_bytes;
        for (uint32_t k = 0u; k < n; ++k) {
            record_told(&inputs[k], &records[k].output, 1u, &ticks[k]);
        }
        run_recorder(n);
        last = ticks[n - 1u];
        put(out_file, records, n * (uint32_t)sizeof(record));
        left -= n;
    }
    run_rest(last);
    edr_download(&recorder, image);
    put(edr_file, rest_counts, (uint32_t)sizeof(rest_counts));
    put(edr_file, image, (uint32_t)sizeof(image));
}

static void run(void)
{
    uint32_t n_ticks = 0u;
    TIMER_RELOAD = 0xFFFFFFFFu;
    TIMER_VALUE = 0xFFFFFFFFu;
    TIMER_CONTROL = TIMER_ON;
    say_number("INPUT_BYTES", sizeof(controller_input));
    say_number("RECORD_BYTES", sizeof(record));
    say_number("STATE_BYTES", sizeof(mirrored_controller));
    say_number("RECORDER_BYTES", sizeof(edr_recorder));
    say_number("REST_TICKS", REST_TICKS);
    say_number("IMAGE_BYTES", EDR_IMAGE_BYTES);
    calibrate();
    paint();
    start_up();
    say_number("START_STACK", used_stack());
    in_file = opened("in.bin", 6u, READ_BINARY);
    out_file = opened("out.bin", 7u, WRITE_BINARY);
    edr_file = opened("edr.bin", 7u, WRITE_BINARY);
    while (got(&n_ticks, sizeof(n_ticks))) {
        run_recording(n_ticks);
    }
    say_number("STACK", stack_bytes);
    say_number("RECORDER_STACK", recorder_stack_bytes);
    (void)semihosting(SEMIHOSTING_CLOSE, &out_file);
    (void)semihosting(SEMIHOSTING_CLOSE, &edr_file);
    say("DONE\n");
    stop(STOPPED_WELL);
}

void target_trap(void)
{
    fail("the processor raised an exception");
}

void target_reset(void)
{
    const uint32_t *from = &target_data_image;
    for (uint32_t *to = &target_data_begin; to < &target_data_end; ++to) {
        *to = *from;
        from += 1;
    }
    for (uint32_t *to = &target_bss_begin; to < &target_bss_end; ++to) {
        *to = 0u;
    }
    run();
}

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const vector vectors[15] = {
    (vector)&target_stack_top, target_reset, target_trap, target_trap, target_trap, target_trap, target_trap,
    target_trap, target_trap, target_trap, target_trap, target_trap, target_trap, target_trap, target_trap
};

#include "edr.h"

#define STEP_SAMPLES EDR_SAMPLES(10u)
#define SHORT_SAMPLES EDR_SAMPLES(20u)
#define TAIL_SAMPLES EDR_SAMPLES(30u)
#define DELTA_V_SAMPLES EDR_SAMPLES(250u)
#define MOST_SAMPLES EDR_SAMPLES(300u)
#define PAST_SAMPLES EDR_SAMPLES(500u)
#define DISPOSAL_MS 100u /* a second stage this late is disposal, not restraint (assumed) */
#define CRASH_SAMPLES EDR_SAMPLES(5000u)   /* events this close are one crash (assumed) */
#define ONE_SECOND_BEFORE 8u               /* in the past, where the newest is 10 */

/* A count held for one sample changes velocity by COUNT / UNIT km/h: 1 g for 1 s is 35.303 94 km/h. */
#define COUNT ((int64_t)CRUMPLE_MAIN_UNITS * 3530394)
#define UNIT ((int64_t)CRUMPLE_UNITS_PER_G * 100000 * (int64_t)CRUMPLE_SAMPLE_RATE_HZ)
#define ONSET_TENTHS 8
#define SEVERE_TENTHS 80
#define MOST_KMH 127

#define CRC32_POLYNOMIAL 0xEDB88320u
#define CRC32_START 0xFFFFFFFFu

static int64_t magnitude(int32_t sum_lsb)
{
    return (sum_lsb < 0) ? -(int64_t)sum_lsb : (int64_t)sum_lsb;
}

/* The change over a sum of counts, times ten and UNIT, to compare with tenths of km/h. */
static int64_t tenfold(int32_t sum_lsb)
{
    return magnitude(sum_lsb) * COUNT * 10;
}

/* Velocity change in km/h, positive forward, rounded half away from zero and limited. */
static int8_t kmh_of(int32_t sum_lsb)
{
    const int64_t rounded = ((2 * magnitude(sum_lsb) * COUNT) + UNIT) / (2 * UNIT);
    const int64_t limited = (rounded > MOST_KMH) ? MOST_KMH : rounded;
    return (int8_t)((sum_lsb > 0) ? -limited : limited);
}

/* Samples in units of which per_second make a second, rounded half up. */
static uint16_t time_of(uint32_t samples, uint32_t per_second)
{
    const uint64_t rate = (uint64_t)CRUMPLE_SAMPLE_RATE_HZ;
    const uint64_t rounded = ((2u * (uint64_t)samples * per_second) + rate) / (2u * rate);
    return (uint16_t)((rounded < EDR_NO_TIME) ? rounded : (EDR_NO_TIME - 1u));
}

static void forget(edr_recorder *self)
{
    for (size_t k = 0u; k < EDR_RING_SAMPLES; ++k) {
        self->ring_lsb[k] = 0;
        self->ring_lost[k] = false;
    }
    self->next = 0u;
    self->filled = 0u;
    self->short_lsb = 0;
    self->long_lsb = 0;
    self->phase = EDR_IDLE;
}

/* Ready for another event. What was kept counts no more; what was not may be the first part of something severe. */
static void settle(edr_recorder *self)
{
    if (self->was_kept) {
        forget(self);
    } else {
        self->filled = 0u;
        self->phase = EDR_IDLE;
    }
}

static void clear(edr_record *record)
{
    static const edr_record nothing = {0u, 0u, 0u, 0u, {0u, 0u}, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u,
                                       0u, 0u, 0u, 0, {0}, {0u}, {0u}, {0u}};
    *record = nothing;
}

void edr_init(edr_recorder *self)
{
    for (size_t k = 0u; k < EDR_SLOTS; ++k) {
        clear(&self->memory.slot[k]);
    }
    self->memory.ignition_cycle = 0u;
    self->memory.order = 0u;
    self->memory.not_stored = 0u;
    edr_power_on(self);
}

void edr_power_on(edr_recorder *self)
{
    static const edr_vehicle unknown = {EDR_NOT_AVAILABLE, EDR_NOT_AVAILABLE, EDR_NOT_AVAILABLE, EDR_NOT_AVAILABLE};
    if (self->memory.ignition_cycle < UINT16_MAX) {
        self->memory.ignition_cycle += 1u;
    }
    clear(&self->now);
    forget(self);
    self->ticks = 0u;
    self->n = 0u;
    self->end = 0u;
    self->max_at = 0u;
    self->sum_lsb = 0;
    self->max_lsb = 0;
    self->is_severe = false;
    self->was_kept = false;
    self->has_previous = false;
    self->previous_zero = 0u;
    for (size_t k = 0u; k < EDR_PAST_VALUES; ++k) {
        self->past[k] = unknown;
        self->past_lamp[k] = EDR_NOT_AVAILABLE;
    }
}

/* What the other units say, twice a second. */
static void follow(edr_recorder *self, const edr_tick *tick)
{
    if ((self->ticks % PAST_SAMPLES) == 0u) {
        for (size_t k = 1u; k < EDR_PAST_VALUES; ++k) {
            self->past[k - 1u] = self->past[k];
            self->past_lamp[k - 1u] = self->past_lamp[k];
        }
        self->past[EDR_PAST_VALUES - 1u] = tick->vehicle;
        self->past_lamp[EDR_PAST_VALUES - 1u] = tick->lamp ? 1u : 0u;
    }
}

/* Index into the ring, of the sample taken `ago` samples before the newest. */
static uint32_t at(const edr_recorder *self, uint32_t ago)
{
    return ((self->next + EDR_RING_SAMPLES) - 1u - ago) % EDR_RING_SAMPLES;
}

/* Place and number are limited anew: a flipped bit of memory must neither write elsewhere nor count for long. */
static void take(edr_recorder *self, const edr_tick *tick)
{
    const uint32_t place = self->next % EDR_RING_SAMPLES;
    self->long_lsb += (int32_t)tick->sample_lsb - self->ring_lsb[place];
    self->ring_lsb[place] = tick->sample_lsb;
    self->ring_lost[place] = tick->is_lost;
    self->next = (place + 1u) % EDR_RING_SAMPLES;
    self->short_lsb += (int32_t)tick->sample_lsb - self->ring_lsb[at(self, SHORT_SAMPLES)];
    self->filled = (self->filled < SHORT_SAMPLES) ? (self->filled + 1u) : SHORT_SAMPLES;
}

/* Samples of the shortest interval, up to now, that reaches the onset; 0 if none does. */
static uint32_t onset(const edr_recorder *self)
{
    uint32_t found = 0u;
    int32_t sum_lsb = 0;
    for (uint32_t ago = 0u; (ago < self->filled) && (found == 0u); ++ago) {
        sum_lsb += self->ring_lsb[at(self, ago)];
        if (tenfold(sum_lsb) >= (ONSET_TENTHS * UNIT)) {
            found = ago + 1u;
        }
    }
    return found;
}

static bool is_severe(const edr_recorder *self)
{
    return tenfold(self->long_lsb) >= (SEVERE_TENTHS * UNIT);
}

static bool is_quiet(const edr_recorder *self)
{
    return tenfold(self->short_lsb) <= (ONSET_TENTHS * UNIT);
}

/* One sample of the event, its delta-V and the maximum so far. */
static void integrate(edr_recorder *self, int16_t sample_lsb, bool is_lost)
{
    const uint32_t limit = (self->end > 0u) ? (self->end + TAIL_SAMPLES) : MOST_SAMPLES;
    self->n += 1u;
    if ((self->n <= limit) && (self->n <= MOST_SAMPLES)) {
        self->sum_lsb += sample_lsb;
        if (is_lost) {
            self->now.lost += 1u;
        }
        if (magnitude(self->sum_lsb) > magnitude(self->max_lsb)) {
            self->max_lsb = self->sum_lsb;
            self->max_at = self->n;
        }
        if (((self->n % STEP_SAMPLES) == 0u) && (self->n <= DELTA_V_SAMPLES)) {
            self->now.delta_v_kmh[self->n / STEP_SAMPLES] = kmh_of(self->sum_lsb);
            self->now.n_delta_v += 1u;
        }
    }
}

/* A new event whose first sample was taken n_past - 1 samples before the newest. */
static void begin(edr_recorder *self, const edr_tick *tick, uint32_t n_past)
{
    edr_record *const now = &self->now;
    const uint32_t zero = (self->ticks + 1u) - n_past;
    clear(now);
    self->phase = EDR_RECORDING;
    self->n = 0u;
    self->end = 0u;
    self->max_at = 0u;
    self->sum_lsb = 0;
    self->max_lsb = 0;
    self->is_severe = false;
    now->zero_tick = zero;
    now->trouble = tick->trouble;
    now->ignition_cycle = self->memory.ignition_cycle;
    now->end_ms = EDR_NO_TIME;
    now->lamp = tick->lamp ? 1u : 0u;
    now->lamp_before = self->past_lamp[ONE_SECOND_BEFORE];
    now->belt_before = self->past[ONE_SECOND_BEFORE].belt;
    now->number = 1u;
    now->gap_ds = EDR_NOT_AVAILABLE;
    if (self->has_previous && ((zero - self->previous_zero) <= CRASH_SAMPLES)) {
        now->number = 2u;
        now->gap_ds = (uint8_t)time_of(zero - self->previous_zero, 10u);
    }
    for (size_t k = 0u; k < EDR_STAGES; ++k) {
        now->stage_ms[k] = EDR_NO_TIME;
    }
    for (size_t k = 0u; k < EDR_PAST_VALUES; ++k) {
        now->speed_kmh[k] = self->past[k].speed_kmh;
        now->throttle_percent[k] = self->past[k].throttle_percent;
        now->brake[k] = self->past[k].brake;
    }
    for (size_t k = 0u; k < EDR_DELTA_V_VALUES; ++k) {
        now->delta_v_kmh[k] = EDR_NO_DELTA_V;
    }
    now->delta_v_kmh[0] = 0;
    now->n_delta_v = 1u;
    for (uint32_t left = n_past; left > 0u; --left) {
        const uint32_t place = at(self, left - 1u);
        integrate(self, self->ring_lsb[place], self->ring_lost[place]);
    }
}

/* The slot for a new event: an empty one, else the older one that is not locked; EDR_SLOTS if there is none. */
static size_t free_slot(const edr_memory *memory)
{
    size_t found = EDR_SLOTS;
    for (size_t k = 0u; k < EDR_SLOTS; ++k) {
        const edr_record *const slot = &memory->slot[k];
        const bool may_go = (slot->flags & EDR_LOCKED) == 0u;
        if (may_go && ((found == EDR_SLOTS) || (slot->order < memory->slot[found].order))) {
            found = k;
        }
    }
    return found;
}

static void keep(edr_recorder *self)
{
    edr_memory *const memory = &self->memory;
    const size_t slot = free_slot(memory);
    self->has_previous = true;
    self->previous_zero = self->now.zero_tick;
    if (slot == EDR_SLOTS) {
        if (memory->not_stored < UINT16_MAX) {
            memory->not_stored += 1u;
        }
    } else {
        if (memory->order < UINT16_MAX) {
            memory->order += 1u;
        }
        self->now.order = memory->order;
        memory->slot[slot] = self->now;
    }
}

static void close(edr_recorder *self, const edr_tick *tick, bool is_complete)
{
    edr_record *const now = &self->now;
    const bool deployed = (now->flags & EDR_DEPLOYED) != 0u;
    now->flags |= EDR_USED;
    now->flags |= is_complete ? EDR_COMPLETE : 0u;
    now->flags |= (deployed || tick->has_fired) ? EDR_LOCKED : 0u;
    now->mode = tick->mode;
    now->max_kmh = kmh_of(self->max_lsb);
    now->max_time = (uint8_t)time_of(self->max_at, 400u);
    if (self->end > 0u) {
        now->flags |= EDR_ENDED;
        now->end_ms = time_of(self->end, 1000u);
    }
    self->was_kept = deployed || self->is_severe;
    if (self->was_kept) {
        keep(self);
    }
    self->phase = EDR_HOLDING;
    if (self->end > 0u) {
        settle(self);
    }
}

static void note_stages(edr_recorder *self, const edr_tick *tick)
{
    edr_record *const now = &self->now;
    const uint32_t since = self->n - 1u;
    for (size_t k = 0u; k < EDR_STAGES; ++k) {
        if (tick->current[k] && (now->stage_ms[k] == EDR_NO_TIME)) {
            now->stage_ms[k] = time_of(since, 1000u);
            now->flags |= EDR_DEPLOYED;
        }
    }
    /* The stages are separate loops: the second may carry current first, and is then no disposal. */
    if ((now->stage_ms[0] != EDR_NO_TIME) && (now->stage_ms[1] != EDR_NO_TIME)) {
        if (now->stage_ms[1] >= (now->stage_ms[0] + DISPOSAL_MS)) {
            now->flags |= EDR_DISPOSAL;
        }
    }
}

static void record(edr_recorder *self, const edr_tick *tick)
{
    note_stages(self, tick);
    if (is_severe(self)) {
        self->is_severe = true;
    }
    if ((self->end == 0u) && (self->n >= SHORT_SAMPLES) && (self->n <= MOST_SAMPLES) && is_quiet(self)) {
        self->end = self->n;
    }
    const bool is_over = (self->n >= MOST_SAMPLES) || ((self->end > 0u) && (self->n >= (self->end + TAIL_SAMPLES)));
    if (is_over && (!tick->is_firing)) {
        close(self, tick, true);
    }
}

void edr_step(edr_recorder *self, const edr_tick *tick)
{
    follow(self, tick);
    if (!tick->is_running) {
        if (self->phase == EDR_RECORDING) {
            close(self, tick, false);
        }
        forget(self);
    } else {
        const bool fires = tick->current[0] || tick->current[1];
        take(self, tick);
        if (self->phase == EDR_RECORDING) {
            integrate(self, tick->sample_lsb, tick->is_lost);
        } else {
            const uint32_t n_past = (self->phase == EDR_IDLE) ? onset(self) : 0u;
            if (n_past > 0u) {
                begin(self, tick, n_past);
            } else if (fires) {
                begin(self, tick, 1u);
                self->now.flags |= EDR_FROM_DEPLOYMENT;
            } else if ((self->phase == EDR_HOLDING) && is_quiet(self)) {
                settle(self);
            } else if ((self->phase == EDR_IDLE) && is_severe(self)) {
                begin(self, tick, 1u);
            } else {
                /* nothing to tell */
            }
        }
        if (self->phase == EDR_RECORDING) {
            record(self, tick);
        }
    }
    self->ticks += 1u;
}

/* Where the next byte of an image goes. */
typedef struct {
    uint8_t *image;
    size_t n;
} writer;

static void put(writer *out, uint32_t value, uint32_t n_bytes)
{
    uint32_t rest = value;
    for (uint32_t k = 0u; k < n_bytes; ++k) {
        out->image[out->n] = (uint8_t)(rest & 0xFFu);
        out->n += 1u;
        rest >>= 8u;
    }
}

static void put_slot(writer *out, const edr_record *slot)
{
    put(out, slot->flags, 1u);
    put(out, slot->number, 1u);
    put(out, slot->order, 2u);
    put(out, slot->zero_tick, 4u);
    put(out, slot->ignition_cycle, 2u);
    put(out, slot->stage_ms[0], 2u);
    put(out, slot->stage_ms[1], 2u);
    put(out, slot->end_ms, 2u);
    put(out, slot->trouble, 4u);
    put(out, slot->lost, 2u);
    put(out, slot->gap_ds, 1u);
    put(out, slot->lamp_before, 1u);
    put(out, slot->belt_before, 1u);
    put(out, slot->lamp, 1u);
    put(out, slot->mode, 1u);
    put(out, (uint32_t)(uint8_t)slot->max_kmh, 1u);
    put(out, slot->max_time, 1u);
    put(out, slot->n_delta_v, 1u);
    for (size_t k = 0u; k < EDR_DELTA_V_VALUES; ++k) {
        put(out, (uint32_t)(uint8_t)slot->delta_v_kmh[k], 1u);
    }
    for (size_t k = 0u; k < EDR_PAST_VALUES; ++k) {
        put(out, slot->speed_kmh[k], 1u);
    }
    for (size_t k = 0u; k < EDR_PAST_VALUES; ++k) {
        put(out, slot->throttle_percent[k], 1u);
    }
    for (size_t k = 0u; k < EDR_PAST_VALUES; ++k) {
        put(out, slot->brake[k], 1u);
    }
    put(out, 0u, 3u);
}

static uint32_t crc32(const uint8_t *bytes, size_t n)
{
    uint32_t crc = CRC32_START;
    for (size_t k = 0u; k < n; ++k) {
        crc ^= bytes[k];
        for (uint32_t bit = 0u; bit < 8u; ++bit) {
            crc = ((crc & 1u) != 0u) ? ((crc >> 1u) ^ CRC32_POLYNOMIAL) : (crc >> 1u);
        }
    }
    return ~crc;
}

void edr_download(const edr_recorder *self, uint8_t image[EDR_IMAGE_BYTES])
{
    writer out = {image, 0u};
    put(&out, 0x44455243u, 4u); /* "CRED" */
    put(&out, EDR_VERSION, 1u);
    put(&out, EDR_SLOTS, 1u);
    put(&out, EDR_SLOT_BYTES, 2u);
    put(&out, self->memory.ignition_cycle, 2u);
    put(&out, (uint32_t)CRUMPLE_SAMPLE_RATE_HZ, 2u);
    put(&out, self->memory.not_stored, 2u);
    put(&out, self->memory.order, 2u);
    for (size_t k = 0u; k < EDR_SLOTS; ++k) {
        put_slot(&out, &self->memory.slot[k]);
    }
    put(&out, crc32(image, out.n), EDR_CRC_BYTES);
}

#include "record.h"

#define FENCE_BYTES 4096u
#define FENCE 0xA5u

/* A recorder between bytes that nothing may touch. */
typedef struct {
    uint8_t before[FENCE_BYTES];
    edr_recorder recorder;
    uint8_t after[FENCE_BYTES];
} fenced;

/* As the decoder of frames judges a word, which the controller does not hand on. */
static bool is_lost(uint32_t word)
{
    const int32_t bits = (int32_t)(word & 0xFFFFu);
    const int32_t payload = (bits > 32767) ? (bits - 65536) : bits;
    return (word != frame_word((int16_t)payload)) || (payload > FRAME_DATA_MAX) || (payload < -FRAME_DATA_MAX);
}

static edr_tick told(const controller_input *input, const controller_output *output)
{
    edr_tick tick;
    tick.trouble = output->trouble;
    tick.sample_lsb = output->sample_lsb;
    tick.mode = (uint8_t)output->mode;
    tick.is_running = output->mode != CONTROLLER_OFF_RESET;
    tick.is_lost = is_lost(input->main_word);
    tick.is_firing = output->mode == CONTROLLER_FIRE;
    tick.has_fired = output->crash_output;
    tick.lamp = output->lamp;
    for (size_t k = 0u; k < EDR_STAGES; ++k) {
        tick.current[k] = output->current_ma[k] > 0u;
    }
    tick.vehicle.speed_kmh = EDR_NOT_AVAILABLE;
    tick.vehicle.throttle_percent = EDR_NOT_AVAILABLE;
    tick.vehicle.brake = EDR_NOT_AVAILABLE;
    tick.vehicle.belt = EDR_NOT_AVAILABLE;
    return tick;
}

size_t record_recorder_size(void)
{
    return sizeof(edr_recorder);
}

size_t record_tick_size(void)
{
    return sizeof(edr_tick);
}

size_t record_image_size(void)
{
    return EDR_IMAGE_BYTES;
}

void record_start(edr_recorder *self)
{
    edr_init(self);
}

void record_ticks(edr_recorder *self, const edr_tick *tick, size_t n)
{
    for (size_t k = 0u; k < n; ++k) {
        edr_step(self, &tick[k]);
    }
}

void record_inputs(mirrored_controller *self, edr_recorder *recorder, const controller_input *input, size_t n,
                   controller_output *output)
{
    for (size_t k = 0u; k < n; ++k) {
        edr_tick tick;
        output[k] = mirrored_step(self, &input[k]);
        tick = told(&input[k], &output[k]);
        edr_step(recorder, &tick);
    }
}

void record_told(const controller_input *input, const controller_output *output, size_t n, edr_tick *tick)
{
    for (size_t k = 0u; k < n; ++k) {
        tick[k] = told(&input[k], &output[k]);
    }
}

static void fence(fenced *self)
{
    for (size_t k = 0u; k < FENCE_BYTES; ++k) {
        self->before[k] = FENCE;
        self->after[k] = FENCE;
    }
}

static bool is_whole(const fenced *self)
{
    uint32_t found = 0u;
    for (size_t k = 0u; k < FENCE_BYTES; ++k) {
        found |= (uint32_t)self->before[k] ^ FENCE;
        found |= (uint32_t)self->after[k] ^ FENCE;
    }
    return found == 0u;
}

void record_flips(const edr_tick *tick, size_t n, size_t when, size_t first_bit, size_t n_bits, uint8_t *image,
                  bool *is_outside)
{
    edr_recorder before;
    record_start(&before);
    record_ticks(&before, tick, when);
    for (size_t k = 0u; k < n_bits; ++k) {
        const size_t bit = first_bit + k;
        fenced self;
        fence(&self);
        self.recorder = before;
        ((uint8_t *)&self.recorder)[bit / 8u] ^= (uint8_t)(1u << (bit % 8u));
        record_ticks(&self.recorder, &tick[when], n - when);
        edr_download(&self.recorder, &image[k * EDR_IMAGE_BYTES]);
        is_outside[k] = !is_whole(&self);
    }
}

#include "record.h"

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

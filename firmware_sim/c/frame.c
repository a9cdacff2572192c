#include "frame.h"

#define PAYLOAD_BITS 16u
#define FOLDED_MASK 0x7Fu

/* x^7 = 1 modulo x^3 + x + 1: payload bits seven places apart change the CRC alike, so the payload folds to seven bits.
 * Here is the CRC of each fold, with the start value in it: one look-up instead of sixteen shifts, every tick. */
static const uint8_t CRC_OF_FOLDED[128] = {
    1u, 5u, 3u, 7u, 0u, 4u, 2u, 6u, 4u, 0u, 6u, 2u, 5u, 1u, 7u, 3u,
    6u, 2u, 4u, 0u, 7u, 3u, 5u, 1u, 3u, 7u, 1u, 5u, 2u, 6u, 0u, 4u,
    7u, 3u, 5u, 1u, 6u, 2u, 4u, 0u, 2u, 6u, 0u, 4u, 3u, 7u, 1u, 5u,
    0u, 4u, 2u, 6u, 1u, 5u, 3u, 7u, 5u, 1u, 7u, 3u, 4u, 0u, 6u, 2u,
    2u, 6u, 0u, 4u, 3u, 7u, 1u, 5u, 7u, 3u, 5u, 1u, 6u, 2u, 4u, 0u,
    5u, 1u, 7u, 3u, 4u, 0u, 6u, 2u, 0u, 4u, 2u, 6u, 1u, 5u, 3u, 7u,
    4u, 0u, 6u, 2u, 5u, 1u, 7u, 3u, 1u, 5u, 3u, 7u, 0u, 4u, 2u, 6u,
    3u, 7u, 1u, 5u, 2u, 6u, 0u, 4u, 6u, 2u, 4u, 0u, 7u, 3u, 5u, 1u
};

static uint32_t crc3(uint32_t payload)
{
    return CRC_OF_FOLDED[((payload >> 9u) ^ (payload >> 2u) ^ (payload << 5u)) & FOLDED_MASK];
}

uint32_t frame_word(int16_t payload)
{
    const uint32_t bits = (uint32_t)(uint16_t)payload;
    return bits | (crc3(bits) << PAYLOAD_BITS);
}

void frame_init(frame_monitor *monitor)
{
    monitor->last_lsb = 0;
    monitor->same = 0u;
    monitor->invalid = 0u;
}

static int32_t signed_payload(uint32_t word)
{
    const int32_t bits = (int32_t)(word & 0xFFFFu);
    return (bits > 32767) ? (bits - 65536) : bits;
}

static frame_verdict judged(uint32_t word, int32_t payload)
{
    frame_verdict verdict = FRAME_VALID;
    if (word == FRAME_MISSING) {
        verdict = FRAME_ABSENT;
    } else if ((word >> PAYLOAD_BITS) != crc3(word & 0xFFFFu)) {
        verdict = FRAME_CORRUPT;
    } else if ((payload > FRAME_DATA_MAX) || (payload < -FRAME_DATA_MAX)) {
        verdict = FRAME_ERROR_CODE;
    } else {
        verdict = FRAME_VALID;
    }
    return verdict;
}

frame_reading frame_read(frame_monitor *monitor, uint32_t word)
{
    frame_reading reading = {SUBSTITUTE_LSB, FRAME_VALID, false, false};
    const int32_t payload = signed_payload(word);
    reading.verdict = judged(word, payload);
    if (reading.verdict != FRAME_VALID) {
        monitor->invalid = (monitor->invalid < DROPOUT_SAMPLES) ? (monitor->invalid + 1u) : DROPOUT_SAMPLES;
    } else {
        const bool quiet = (payload <= FRAME_QUIET_LSB) && (payload >= -FRAME_QUIET_LSB);
        reading.sample_lsb = (int16_t)payload;
        monitor->invalid = 0u;
        if (quiet || (reading.sample_lsb != monitor->last_lsb)) {
            monitor->same = 0u;
        } else if (monitor->same < STUCK_SAMPLES) {
            monitor->same += 1u;
        } else {
            /* counted far enough */
        }
        monitor->last_lsb = reading.sample_lsb;
    }
    reading.dropout = monitor->invalid >= DROPOUT_SAMPLES;
    reading.stuck = monitor->same >= STUCK_SAMPLES;
    return reading;
}

#include "frame.h"

#define PAYLOAD_BITS 16u
#define CRC_BITS 3u
#define CRC_START 7u
#define CRC_POLYNOMIAL 3u /* x + 1; the x^3 is what falls out */
#define CRC_MASK 7u

static uint32_t crc3(uint32_t payload)
{
    uint32_t crc = CRC_START;
    for (uint32_t k = 0u; k < PAYLOAD_BITS; ++k) {
        const uint32_t out = ((crc >> (CRC_BITS - 1u)) ^ (payload >> k)) & 1u;
        crc = (crc << 1u) & CRC_MASK;
        if (out != 0u) {
            crc ^= CRC_POLYNOMIAL;
        }
    }
    return crc;
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

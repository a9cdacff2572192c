#include "safing_frame.h"

/* 1 where the number of ones among the lowest 16 bits is odd. */
static uint32_t odd(uint32_t bits)
{
    uint32_t folded = bits & 0xFFFFu;
    folded ^= folded >> 8u;
    folded ^= folded >> 4u;
    folded ^= folded >> 2u;
    folded ^= folded >> 1u;
    return folded & 1u;
}

uint32_t safing_word(int16_t payload)
{
    const uint32_t bits = (uint32_t)(uint16_t)payload;
    return bits | (odd(bits) << 16u);
}

void safing_link_init(safing_link *link)
{
    link->invalid_in_a_row = 0u;
}

safing_reading safing_receive(safing_link *link, uint32_t word)
{
    safing_reading reading = {0, false, false};
    const uint32_t bits = word & 0xFFFFu;
    const int32_t payload = (bits >= 0x8000u) ? ((int32_t)bits - 0x10000) : (int32_t)bits;
    /* A word of all ones has bits above the parity and is refused with them. */
    reading.valid = ((word >> 16u) == odd(bits)) && (payload <= SAFING_DATA_MAX) && (payload >= -SAFING_DATA_MAX);
    if (reading.valid) {
        reading.sample_lsb = (int16_t)payload;
        link->invalid_in_a_row = 0u;
    } else if (link->invalid_in_a_row < SAFING_DROPOUT_SAMPLES) {
        link->invalid_in_a_row += 1u;
    } else {
        /* counted far enough */
    }
    reading.dropout = link->invalid_in_a_row >= SAFING_DROPOUT_SAMPLES;
    return reading;
}

#include "offset.h"

/* Half a count on average before the offset moves. */
#define HALF_COUNT ((int32_t)OFFSET_PERIOD_SAMPLES / 2)

void offset_init(offset_tracker *tracker)
{
    tracker->sum_lsb = 0;
    tracker->n = 0u;
    tracker->offset_lsb = 0;
}

void offset_follow(offset_tracker *tracker, int16_t corrected_lsb)
{
    tracker->sum_lsb += corrected_lsb;
    tracker->n += 1u;
    if (tracker->n >= OFFSET_PERIOD_SAMPLES) {
        if ((tracker->sum_lsb > HALF_COUNT) && (tracker->offset_lsb < OFFSET_LIMIT_LSB)) {
            tracker->offset_lsb = (int16_t)(tracker->offset_lsb + 1);
        } else if ((tracker->sum_lsb < -HALF_COUNT) && (tracker->offset_lsb > -OFFSET_LIMIT_LSB)) {
            tracker->offset_lsb = (int16_t)(tracker->offset_lsb - 1);
        } else {
            /* within half a count, or at its limit */
        }
        tracker->sum_lsb = 0;
        tracker->n = 0u;
    }
}

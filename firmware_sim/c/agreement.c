#include "agreement.h"

#include <stddef.h>

#define LIMIT (CRUMPLE_ARMING_CLAMP_LSB * CRUMPLE_SAFING_UNITS)

/* The sums cannot overflow; a model whose units are too fine does not compile. */
typedef char agreement_fits[(LIMIT <= (INT32_MAX / AGREEMENT_SAMPLES)) ? 1 : -1];

void agreement_init(agreement *self)
{
    for (size_t k = 0u; k < (size_t)AGREEMENT_SAMPLES; ++k) {
        self->main[k] = 0;
        self->safing[k] = 0;
    }
    self->main_sum = 0;
    self->safing_sum = 0;
    self->next = 0u;
    self->apart = 0u;
}

static int32_t limited(int64_t units)
{
    int64_t found = units;
    if (units > LIMIT) {
        found = LIMIT;
    } else if (units < -LIMIT) {
        found = -LIMIT;
    } else {
        /* in range */
    }
    return (int32_t)found;
}

static int64_t magnitude(int64_t value)
{
    return (value < 0) ? -value : value;
}

bool agreement_step(agreement *self, bool valid, int16_t main_lsb, int16_t safing_lsb)
{
    const int32_t main_units = valid ? limited((int64_t)main_lsb * CRUMPLE_MAIN_UNITS) : 0;
    const int32_t safing_units = valid ? limited((int64_t)safing_lsb * CRUMPLE_SAFING_UNITS) : 0;
    const int64_t offset = (int64_t)AGREEMENT_OFFSET_G * AGREEMENT_SAMPLES * CRUMPLE_UNITS_PER_G;
    int64_t difference = 0;
    bool agrees = false;
    self->main_sum += main_units - self->main[self->next];
    self->safing_sum += safing_units - self->safing[self->next];
    self->main[self->next] = main_units;
    self->safing[self->next] = safing_units;
    self->next += 1u;
    if (self->next == (uint32_t)AGREEMENT_SAMPLES) {
        self->next = 0u;
    }
    difference = magnitude((int64_t)self->main_sum - self->safing_sum);
    agrees = (difference * AGREEMENT_SHARE) <= (magnitude(self->safing_sum) + (offset * AGREEMENT_SHARE));
    if (agrees) {
        self->apart = 0u;
    } else if (self->apart < AGREEMENT_APART_SAMPLES) {
        self->apart += 1u;
    } else {
        /* counted far enough */
    }
    return agrees;
}

bool agreement_is_lost(const agreement *self)
{
    return self->apart >= AGREEMENT_APART_SAMPLES;
}

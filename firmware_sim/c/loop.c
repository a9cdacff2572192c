#include "loop.h"

void loop_init(loop *self)
{
    self->finding = LOOP_GOOD;
    self->bad = 0u;
    self->left = 0u;
    self->started = false;
    self->weak = false;
}

static loop_finding found(loop_sense sense)
{
    loop_finding finding = LOOP_GOOD;
    if ((sense.leakage & LOOP_LEAK_TO_GROUND) != 0u) {
        finding = LOOP_SHORT_TO_GROUND;
    } else if ((sense.leakage & LOOP_LEAK_TO_SUPPLY) != 0u) {
        finding = LOOP_SHORT_TO_SUPPLY;
    } else if (sense.resistance_mohm > LOOP_HIGH_MOHM) {
        finding = LOOP_OPEN;
    } else if (sense.resistance_mohm < LOOP_LOW_MOHM) {
        finding = LOOP_LOW;
    } else {
        finding = LOOP_GOOD;
    }
    return finding;
}

void loop_diagnose(loop *self, loop_sense sense)
{
    const loop_finding finding = found(sense);
    if (finding == LOOP_GOOD) {
        self->bad = 0u;
    } else {
        self->bad += 1u;
        if (self->bad >= LOOP_DEBOUNCE_SAMPLES) {
            self->bad = LOOP_DEBOUNCE_SAMPLES;
            self->finding = finding;
        }
    }
}

void loop_start(loop *self)
{
    const bool inhibited = (self->finding == LOOP_SHORT_TO_GROUND) || (self->finding == LOOP_SHORT_TO_SUPPLY);
    if ((!self->started) && (!inhibited)) {
        self->started = true;
        self->left = LOOP_PULSE_SAMPLES;
    }
}

uint32_t loop_step(loop *self, loop_sense sense, uint32_t energy_mv)
{
    uint32_t current_ma = 0u;
    if (self->left > 0u) {
        const uint32_t resistance_mohm = (sense.resistance_mohm > 0u) ? sense.resistance_mohm : 1u;
        const uint32_t most_ma = (energy_mv * 1000u) / resistance_mohm;
        self->left -= 1u;
        current_ma = (most_ma < LOOP_CURRENT_MA) ? most_ma : LOOP_CURRENT_MA;
        self->weak = self->weak || (current_ma < LOOP_CURRENT_MA);
    }
    return current_ma;
}

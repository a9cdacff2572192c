/* Window watchdog on an independent clock, and the check that every part of a tick ran once and in order. */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "crumple_model.h"

/* A tick may come 20 % early or late; one outside that is a trip (assumed). */
#define WATCHDOG_PERIOD_US (1000000u / (uint32_t)CRUMPLE_SAMPLE_RATE_HZ)
#define WATCHDOG_EARLIEST_US (WATCHDOG_PERIOD_US - (WATCHDOG_PERIOD_US / 5u))
#define WATCHDOG_LATEST_US (WATCHDOG_PERIOD_US + (WATCHDOG_PERIOD_US / 5u))

typedef struct {
    uint32_t last_us;
    bool running;
    uint32_t flow; /* signature of the parts of this tick */
} watchdog;

void watchdog_init(watchdog *self);

/* Start of a tick; false if it came too early or too late. The clock may wrap. */
bool watchdog_tick(watchdog *self, uint32_t clock_us);

/* One part of the tick has run. Order matters. */
void watchdog_passed(watchdog *self, uint32_t part);

/* End of a tick: whether parts 1, 2, ... n_parts ran once each, in order. */
bool watchdog_flow_is_right(const watchdog *self, uint32_t n_parts);

#endif

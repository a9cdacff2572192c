#include "watchdog.h"

static uint32_t extended(uint32_t flow, uint32_t part)
{
    return (flow * 31u) + part;
}

void watchdog_init(watchdog *self)
{
    self->last_us = 0u;
    self->running = false;
    self->flow = 0u;
}

bool watchdog_tick(watchdog *self, uint32_t clock_us)
{
    const uint32_t since_us = clock_us - self->last_us;
    const bool in_window = (since_us >= WATCHDOG_EARLIEST_US) && (since_us <= WATCHDOG_LATEST_US);
    const bool right = in_window || (!self->running);
    self->last_us = clock_us;
    self->running = true;
    self->flow = 0u;
    return right;
}

void watchdog_passed(watchdog *self, uint32_t part)
{
    self->flow = extended(self->flow, part);
}

bool watchdog_flow_is_right(const watchdog *self, uint32_t n_parts)
{
    uint32_t flow = 0u;
    for (uint32_t part = 1u; part <= n_parts; ++part) {
        flow = extended(flow, part);
    }
    return self->flow == flow;
}

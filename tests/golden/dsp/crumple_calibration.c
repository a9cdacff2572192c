/* Parameters as calibration data. See crumple_calibration.h; printed from model
 * 0000000000000000000000000000000000000000000000000000000000000000, profile dsp. */
#include "crumple_calibration.h"

#define CRC32_START 0xFFFFFFFFu
#define CRC32_POLYNOMIAL 0xEDB88320u

/* Where the parameters lie in an image. */
#define AT_OUTPUT_BIAS CRUMPLE_IMAGE_HEADER
#define AT_HIDDEN_BIAS (AT_OUTPUT_BIAS + 8u)
#define AT_HIDDEN_WEIGHT (AT_HIDDEN_BIAS + (4u * CRUMPLE_HIDDEN))
#define AT_OUTPUT_WEIGHT (AT_HIDDEN_WEIGHT + (2u * CRUMPLE_HIDDEN * CRUMPLE_BLOCKS))
#define AT_CRC (AT_OUTPUT_WEIGHT + (2u * CRUMPLE_HIDDEN))

/* A block is at most this many counts; a larger weight could overflow a node on its own. */
#define BLOCK_MAX 3840u
#define WEIGHT_MAX (0x7FFFFFFFu / BLOCK_MAX)

/* Digits of 11 bits times output weights are summed in 32 bits. */
#define OUTPUT_WEIGHT_SUM_MAX 1049088u

/* Hidden nodes add less than 2^20 x 2^31 to the output: with this bias it cannot leave 64 bits. */
#define OUTPUT_BIAS_MAX (INT64_C(1) << 62)

static const uint8_t HEADER[] = {
    0x43u, 0x52u, 0x55u, 0x4Du, 0x01u, 0x00u, 0x38u, 0x00u, 0x6Eu, 0x00u, 0x00u, 0x00u, 0x04u,
    0x00u, 0x03u, 0x00u, 0x02u, 0x00u, 0x80u, 0x07u, 0x02u, 0x02u, 0x03u, 0x00u
};

static uint32_t crc32_of_byte(uint32_t crc, uint8_t byte)
{
    uint32_t next = crc ^ (uint32_t)byte;
    for (uint32_t bit = 0u; bit < 8u; ++bit) {
        next = (next >> 1u) ^ (((next & 1u) != 0u) ? CRC32_POLYNOMIAL : 0u);
    }
    return next;
}

static uint32_t crc32_of_number(uint32_t crc, uint64_t number, uint32_t n_bytes)
{
    uint32_t next = crc;
    uint64_t rest = number;
    for (uint32_t k = 0u; k < n_bytes; ++k) {
        next = crc32_of_byte(next, (uint8_t)(rest & 0xFFu));
        rest = rest >> 8u;
    }
    return next;
}

/* The unsigned number in n_bytes little-endian bytes. */
static uint64_t number_at(const uint8_t *image, size_t at, uint32_t n_bytes)
{
    uint64_t number = 0u;
    for (uint32_t k = n_bytes; k > 0u; --k) {
        const uint64_t byte = image[(at + k) - 1u];
        number = (number << 8u) | byte;
    }
    return number;
}

/* The signed number whose two's complement in n_bytes is given, without leaving the signed range on the way. */
static int64_t signed_at(const uint8_t *image, size_t at, uint32_t n_bytes)
{
    const uint64_t number = number_at(image, at, n_bytes);
    const uint64_t sign = UINT64_C(1) << ((8u * n_bytes) - 1u);
    const uint64_t largest = sign - 1u;
    const uint64_t low = number & largest;
    return ((number & sign) == 0u) ? (int64_t)low : (((int64_t)low - (int64_t)largest) - 1);
}

static uint32_t magnitude(int32_t value)
{
    return (value < 0) ? (0u - (uint32_t)value) : (uint32_t)value;
}

/* Whether bias and weights of a node leave it within 32 bits, whatever the clamped input. */
static bool node_fits(const uint8_t *image, size_t node)
{
    uint32_t room = 0x7FFFFFFFu;
    bool fits = true;
    const uint32_t bias = magnitude((int32_t)signed_at(image, AT_HIDDEN_BIAS + (4u * node), 4u));
    if (bias > room) {
        fits = false;
    } else {
        room -= bias;
    }
    for (size_t i = 0u; i < CRUMPLE_BLOCKS; ++i) {
        const size_t at = AT_HIDDEN_WEIGHT + (2u * ((node * CRUMPLE_BLOCKS) + i));
        const uint32_t weight = magnitude((int32_t)signed_at(image, at, 2u));
        if ((weight > WEIGHT_MAX) || ((weight * BLOCK_MAX) > room)) {
            fits = false;
        } else {
            room -= weight * BLOCK_MAX;
        }
    }
    return fits;
}

static bool output_fits(const uint8_t *image)
{
    const int64_t bias = signed_at(image, AT_OUTPUT_BIAS, 8u);
    uint32_t sum = 0u;
    for (size_t j = 0u; j < CRUMPLE_HIDDEN; ++j) {
        sum += magnitude((int32_t)signed_at(image, AT_OUTPUT_WEIGHT + (2u * j), 2u));
    }
    return (sum <= OUTPUT_WEIGHT_SUM_MAX) && (bias >= -OUTPUT_BIAS_MAX) && (bias <= OUTPUT_BIAS_MAX);
}

static bool equal(const uint8_t *image, size_t from, size_t to)
{
    bool same = true;
    for (size_t k = from; k < to; ++k) {
        if (image[k] != HEADER[k]) {
            same = false;
        }
    }
    return same;
}

static crumple_image_verdict judged(const uint8_t *image, size_t size)
{
    crumple_image_verdict verdict = CRUMPLE_IMAGE_ACCEPTED;
    if (size != CRUMPLE_IMAGE_SIZE) {
        verdict = CRUMPLE_IMAGE_SIZE_WRONG;
    } else if (!equal(image, 0u, 4u)) {
        verdict = CRUMPLE_IMAGE_FOREIGN;
    } else if (!equal(image, 4u, 8u)) {
        verdict = CRUMPLE_IMAGE_VERSION;
    } else if (!equal(image, 8u, sizeof HEADER)) {
        verdict = CRUMPLE_IMAGE_SHAPE;
    } else {
        uint32_t crc = CRC32_START;
        for (size_t k = 0u; k < AT_CRC; ++k) {
            crc = crc32_of_byte(crc, image[k]);
        }
        if ((crc ^ CRC32_START) != (uint32_t)number_at(image, AT_CRC, 4u)) {
            verdict = CRUMPLE_IMAGE_DAMAGED;
        } else {
            bool fits = output_fits(image);
            for (size_t j = 0u; j < CRUMPLE_HIDDEN; ++j) {
                fits = node_fits(image, j) && fits;
            }
            verdict = fits ? CRUMPLE_IMAGE_ACCEPTED : CRUMPLE_IMAGE_OUT_OF_RANGE;
        }
    }
    return verdict;
}

crumple_image_verdict crumple_calibration_read(const uint8_t *image, size_t size, crumple_parameters *parameters)
{
    const crumple_image_verdict verdict = judged(image, size);
    if (verdict == CRUMPLE_IMAGE_ACCEPTED) {
        parameters->output_bias = signed_at(image, AT_OUTPUT_BIAS, 8u);
        for (size_t j = 0u; j < CRUMPLE_HIDDEN; ++j) {
            parameters->hidden_bias[j] = (int32_t)signed_at(image, AT_HIDDEN_BIAS + (4u * j), 4u);
            parameters->output_weight[j] = (int16_t)signed_at(image, AT_OUTPUT_WEIGHT + (2u * j), 2u);
        }
        for (size_t k = 0u; k < (CRUMPLE_HIDDEN * CRUMPLE_BLOCKS); ++k) {
            const size_t at = AT_HIDDEN_WEIGHT + (2u * k);
            parameters->hidden_weight[k] = (crumple_weight)signed_at(image, at, 2u);
        }
    }
    return verdict;
}

uint32_t crumple_parameters_crc32(const crumple_parameters *parameters)
{
    uint32_t crc = crc32_of_number(CRC32_START, (uint64_t)parameters->output_bias, 8u);
    for (size_t j = 0u; j < CRUMPLE_HIDDEN; ++j) {
        crc = crc32_of_number(crc, (uint64_t)(int64_t)parameters->hidden_bias[j], 4u);
    }
    for (size_t k = 0u; k < (CRUMPLE_HIDDEN * CRUMPLE_BLOCKS); ++k) {
        crc = crc32_of_number(crc, (uint64_t)(int64_t)parameters->hidden_weight[k], 2u);
    }
    for (size_t j = 0u; j < CRUMPLE_HIDDEN; ++j) {
        crc = crc32_of_number(crc, (uint64_t)(int64_t)parameters->output_weight[j], 2u);
    }
    return crc ^ CRC32_START;
}

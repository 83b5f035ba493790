// A serial flash on the pins of a simulated board, in SPI mode 0. It begins in deep power-down, as an iCE40 leaves it, and
// knows what a loader needs: 0xAB (release, takes `wake` cycles after the selection ends), 0x03 (read) and 0x0B (fast
// read, eight clocks more in front of the data). Addresses wrap around; bytes behind the image are 0xFF, as erased.

#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

class SpiFlash {
public:
    SpiFlash(std::vector<uint8_t> contents, size_t size, uint64_t wake)
        : contents(std::move(contents)), size(size), wake(wake) {
        this->contents.resize(size, 0xFF);
    }

    // Levels of the pins in one clock cycle; the level of the data output.
    bool cycle(bool select, bool clock, bool data) {
        ++now;
        if (!select) {
            if (selected && command == 0xAB && bits >= 8) {
                asleep = false;
                ready = now + wake;
            }
            bits = shift = command = 0;
            output = true;
        } else if (clock && !last) {
            rise(data);
        } else if (!clock && last) {
            fall();
        }
        selected = select;
        last = clock;
        return output;
    }

private:
    void rise(bool data) {
        shift = shift << 1 | unsigned(data);
        ++bits;
        if (bits == 8) command = uint8_t(shift);
        if (bits == 32) address = shift & 0xFFFFFF;
    }

    void fall() {
        const bool awake = !asleep && now >= ready;
        const unsigned first = command == 0x03 ? 32 : 40;
        if (!awake || (command != 0x03 && command != 0x0B) || bits < first) return;
        const unsigned at = bits - first;
        output = contents[(address + at / 8) % size] >> (7 - at % 8) & 1;
    }

    std::vector<uint8_t> contents;
    size_t size;
    uint64_t wake, now = 0, ready = 0;
    bool asleep = true, selected = false, last = false, output = true;
    unsigned bits = 0, shift = 0;
    uint8_t command = 0;
    uint32_t address = 0;
};

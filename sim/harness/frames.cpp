// Verilator main of an engine behind a frame bridge: bytes that arrive on standard input go to the bridge.
//
// Each command is two little-endian 32-bit words, kind and number, and is answered on standard output by the number of
// bytes that the bridge sent meanwhile, and these bytes:
//   1 length bytes...   send the bytes, each as soon as the bridge takes it
//   2 length bytes...   show each byte for one cycle: those that the bridge does not take are lost
//   3 cycles            send nothing
//   4 stall             from now on the bridge's bytes are taken in 256 - stall of 256 cycles, at random; 0 <= stall < 256
//   5 busy_limit        clock until the engine is idle, at most that many cycles; answered by one byte: whether it is busy
// The bridge may hold a byte for 100,000 cycles; then the exit code is 3.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

// Verilator writes the double underscore of a member's path as ___05F.
#define PORT(stream, member) stream##___05F##member

namespace {

Vtop *top;
uint32_t stall = 0, chance = 0x2545f491;
std::vector<uint8_t> answers;

bool get(uint32_t &word) { return std::fread(&word, sizeof word, 1, stdin) == 1; }

// One cycle; whether the byte that is shown was taken.
bool cycle() {
    chance ^= chance << 13;
    chance ^= chance >> 17;
    chance ^= chance << 5;
    top->PORT(o, ready) = (chance & 255) >= stall;
    top->clk = 0;
    top->eval();
    const bool taken = top->PORT(i, valid) && top->PORT(i, ready);
    if (top->PORT(o, valid) && top->PORT(o, ready)) answers.push_back(top->PORT(o, payload));
    top->clk = 1;
    top->eval();
    return taken;
}

}  // namespace

int main(int argc, char **argv) {
    Verilated::commandArgs(argc, argv);
    top = new Vtop;
    top->rst = 1;
    for (int i = 0; i < 4; ++i) cycle();
    top->rst = 0;
    answers.clear();
    uint32_t kind, number;
    std::vector<uint8_t> bytes;
    while (get(kind) && get(number)) {
        if (kind == 1 || kind == 2) {
            bytes.resize(number);
            if (number && std::fread(bytes.data(), 1, number, stdin) != number) break;
            for (const uint8_t byte : bytes) {
                top->PORT(i, payload) = byte;
                top->PORT(i, valid) = 1;
                for (int patience = 0; !cycle() && kind == 1; ++patience) {
                    if (patience == 100000) {
                        std::fprintf(stderr, "the bridge does not take a byte\n");
                        return 3;
                    }
                }
            }
            top->PORT(i, valid) = 0;
        } else if (kind == 3) {
            for (uint32_t n = 0; n < number; ++n) cycle();
        } else if (kind == 4) {
            stall = number;
        } else {
            for (uint32_t n = 0; n < number && top->busy; ++n) cycle();
            answers.push_back(top->busy);
        }
        const uint32_t count = answers.size();
        std::fwrite(&count, sizeof count, 1, stdout);
        std::fwrite(answers.data(), 1, count, stdout);
        std::fflush(stdout);
        answers.clear();
    }
    top->final();
    delete top;
    return 0;
}

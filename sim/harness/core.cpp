// Verilator main of the core alone: executes accesses to the core port that arrive on standard input.
//
// Each command is a sequence of little-endian 32-bit words; each is answered on standard output by a verdict, a count,
// the clock cycles that passed (two words, low one first) and data:
//   1 address count data...   write count words             -> status, words done, cycles
//   2 address count           read count words              -> status, words done, cycles, data...
//   3 limit_low limit_high    clock until the core is idle  -> 0 if it became idle, else 1; 0, cycles
// A status is the core port's; the first one that is not 0 ends the command.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vtop.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

// Verilator writes the double underscore of a member's path as ___05F.
#define PORT(stream, member) port___05F##stream##___05F##member

namespace {

Vtop *top;
uint64_t cycles = 0;

// The clock's falling and rising half; inputs are changed in front of the first, outputs are read between the two.
void fall() {
    top->clk = 0;
    top->eval();
}

void rise() {
    top->clk = 1;
    top->eval();
    ++cycles;
}

bool get(uint32_t &word) { return std::fread(&word, sizeof word, 1, stdin) == 1; }

void put(uint32_t word) { std::fwrite(&word, sizeof word, 1, stdout); }

// One access; the response's payload is data (32 bits), status (4 bits).
uint64_t access(uint32_t address, bool write, uint32_t data) {
    top->PORT(request, payload) =
        uint64_t(address & 0xfffffff) | uint64_t(write) << 28 | uint64_t(data) << 29;
    top->PORT(request, valid) = 1;
    top->PORT(response, ready) = 1;
    for (int patience = 0; patience < 64; ++patience) {
        fall();
        const bool accepted = top->PORT(request, valid) && top->PORT(request, ready);
        const bool answered = top->PORT(response, valid);
        const uint64_t payload = top->PORT(response, payload);
        rise();
        if (accepted) top->PORT(request, valid) = 0;
        if (answered) {
            top->PORT(response, ready) = 0;
            top->eval();
            return payload;
        }
    }
    std::fprintf(stderr, "the core port did not answer an access to %07x\n", address);
    std::exit(3);
}

}  // namespace

int main(int argc, char **argv) {
    Verilated::commandArgs(argc, argv);
    top = new Vtop;
    top->rst = 1;
    for (int i = 0; i < 4; ++i) {
        fall();
        rise();
    }
    top->rst = 0;
    uint32_t command, first, second;
    while (get(command) && get(first) && get(second)) {
        const uint64_t begin = cycles;
        uint32_t verdict = 0, done = 0;
        std::vector<uint32_t> words;
        if (command == 1 || command == 2) {
            words.resize(second);
            if (command == 1 && second && std::fread(words.data(), 4, second, stdin) != second) break;
            for (; done < second; ++done) {
                const uint64_t answer = access(first + done, command == 1, command == 1 ? words[done] : 0);
                verdict = uint32_t(answer >> 32);
                if (verdict) break;
                words[done] = uint32_t(answer);
            }
        } else {
            const uint64_t limit = uint64_t(second) << 32 | first;
            while (top->busy && cycles - begin < limit) {
                fall();
                rise();
            }
            verdict = top->busy;
        }
        put(verdict);
        put(done);
        put(uint32_t(cycles - begin));
        put(uint32_t((cycles - begin) >> 32));
        if (command == 2) std::fwrite(words.data(), 4, done, stdout);
        std::fflush(stdout);
    }
    top->final();
#if VM_COVERAGE
    Verilated::defaultContextp()->coveragep()->write();  // to the file of +verilator+coverage+file+
#endif
    delete top;
    return 0;
}

// Main of a simulated board: clocks the model, resets it and connects its serial pins rx and tx, bit by bit, with a
// pseudo-terminal whose path is the first line on standard output.
//
//   Vtop --divisor CYCLES_A_BIT [--parent PID]
//
// Ends on SIGTERM and SIGINT, or when the process PID is no longer its parent.

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "Vtop.h"
#include "verilated.h"

namespace {

volatile std::sig_atomic_t stopped = 0;

void stop(int) { stopped = 1; }

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

constexpr unsigned RESET_CYCLES = 16;
constexpr unsigned BATCH_CYCLES = 256;         // between two looks at the terminal
constexpr uint64_t IDLE_CYCLES = 4'000'000;    // without a byte: from now on the processor is left alone between batches
constexpr int IDLE_SLEEP_MILLISECONDS = 10;    // a byte from the host ends the sleep
constexpr size_t OUTPUT_LIMIT = 1 << 20;       // bytes kept for a host that does not read

// Bytes to levels of the pin rx.
class Sender {
public:
    explicit Sender(unsigned divisor) : divisor(divisor) {}
    bool busy() const { return bits != 0 || !queue.empty(); }
    bool level() {
        if (bits == 0) {
            if (queue.empty()) return true;
            shift = 0x200u | unsigned(queue.front()) << 1;
            queue.pop_front();
            bits = 10;
            timer = divisor;
        }
        const bool value = shift & 1;
        if (--timer == 0) {
            timer = divisor;
            shift >>= 1;
            --bits;
        }
        return value;
    }
    std::deque<uint8_t> queue;

private:
    unsigned divisor, bits = 0, timer = 0, shift = 0;
};

// Levels of the pin tx to bytes; a byte with a bad stop bit is dropped, as any terminal program's port does.
class Receiver {
public:
    explicit Receiver(unsigned divisor) : divisor(divisor) {}
    bool busy() const { return bits != 0; }
    void sample(bool level) {
        if (bits == 0) {
            if (level) {
                armed = true;
            } else if (armed) {
                bits = 10;
                timer = divisor / 2;
            }
            return;
        }
        if (timer-- != 1) return;
        timer = divisor;
        --bits;
        if (bits == 9) {
            if (level) bits = 0;
        } else if (bits != 0) {
            shift = shift >> 1 | unsigned(level) << 7;
        } else {
            if (level) queue.push_back(uint8_t(shift));
            armed = level;
        }
    }
    std::deque<uint8_t> queue;

private:
    unsigned divisor, bits = 0, timer = 0, shift = 0;
    bool armed = false;
};

int open_terminal() {
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) fail("no pseudo-terminal");
    const char* path = ptsname(master);
    if (path == nullptr) fail("no pseudo-terminal");
    // The slave stays open here, or each host that closes it would hang up the master.
    const int slave = open(path, O_RDWR | O_NOCTTY);
    if (slave < 0) fail(path);
    termios settings;
    if (tcgetattr(slave, &settings) < 0) fail(path);
    cfmakeraw(&settings);
    if (tcsetattr(slave, TCSANOW, &settings) < 0) fail(path);
    if (fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK) < 0) fail(path);
    std::printf("%s\n", path);
    std::fflush(stdout);
    return master;
}

}  // namespace

int main(int count, char** arguments) {
    long divisor = 0, parent = 0;
    for (int at = 1; at + 1 < count; at += 2) {
        if (std::strcmp(arguments[at], "--divisor") == 0) divisor = std::atol(arguments[at + 1]);
        if (std::strcmp(arguments[at], "--parent") == 0) parent = std::atol(arguments[at + 1]);
    }
    if (divisor < 4 || divisor > 65536) {
        std::fprintf(stderr, "usage: %s --divisor 4..65536 [--parent PID]\n", arguments[0]);
        return 2;
    }
    struct sigaction action = {};
    action.sa_handler = stop;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    VerilatedContext context;
    Vtop top(&context);
    Sender sender{unsigned(divisor)};
    Receiver receiver{unsigned(divisor)};

    top.rx = 1;
    top.rst = 1;
    for (unsigned cycle = 0; cycle < RESET_CYCLES; ++cycle) {
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
    }
    top.rst = 0;
    const int terminal = open_terminal();

    uint64_t quiet = 0;  // cycles since a byte moved
    while (!stopped) {
        if (parent != 0 && getppid() != parent) break;
        for (unsigned cycle = 0; cycle < BATCH_CYCLES; ++cycle) {
            top.clk = 0;
            top.eval();
            top.rx = sender.level();
            top.clk = 1;
            top.eval();
            receiver.sample(top.tx);
        }
        quiet = sender.busy() || receiver.busy() ? 0 : quiet + BATCH_CYCLES;
        while (!receiver.queue.empty()) {
            const uint8_t byte = receiver.queue.front();
            if (write(terminal, &byte, 1) != 1) {
                if (receiver.queue.size() > OUTPUT_LIMIT) receiver.queue.clear();
                break;
            }
            receiver.queue.pop_front();
        }
        if (sender.queue.empty()) {
            if (quiet >= IDLE_CYCLES) {
                pollfd wait = {terminal, POLLIN, 0};
                poll(&wait, 1, IDLE_SLEEP_MILLISECONDS);
            }
            uint8_t bytes[1024];
            const ssize_t length = read(terminal, bytes, sizeof bytes);
            if (length > 0) {
                sender.queue.insert(sender.queue.end(), bytes, bytes + length);
                quiet = 0;
            }
        }
    }
    top.final();
    return 0;
}

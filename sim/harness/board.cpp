// Main of a simulated board: clocks the model, resets it and connects its host link with a pseudo-terminal whose path is
// the first line on standard output. The pins tell the link:
//
//   rx, tx                                 a serial line, bit by bit; the terminal carries its bytes
//   spi_cs, spi_sck, spi_copi, spi_cipo    an SPI slave; the terminal carries transfers: four bytes of length, least
//                                          significant first, and the bytes to send; the bytes received come back
//
// If there are pins flash_cs, flash_sck, flash_copi and flash_cipo, a flash is connected there.
//
//   Vtop [--divisor CYCLES_A_BIT] [--parent PID] [--lead CYCLES] [--hold CYCLES] [--flash FILE] [--flash-size BYTES]
//        [--flash-wake CYCLES]
//
// --lead: cycles after reset before the terminal is there: the time in which a board that has been switched on loads itself.
// --divisor: of the serial line, or cycles of the SPI clock. --hold: bytes to the host wait until there are 62 of them or
// that many cycles have passed, as in a bridge to USB.
//
// Each SIGUSR1 gives a line on standard output: cycles since reset; since the signal before, the cycle in which the first
// byte began on the line and that in which the last one ended; bytes to the board, bytes to the host; the lights.
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
#include <memory>
#include <poll.h>
#include <termios.h>
#include <type_traits>
#include <unistd.h>
#include <vector>

#include "Vtop.h"
#include "spi_flash.h"
#include "verilated.h"

namespace {

volatile std::sig_atomic_t stopped = 0;
volatile std::sig_atomic_t asked = 0;

void stop(int) { stopped = 1; }
void ask(int) { asked = 1; }

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

constexpr unsigned RESET_CYCLES = 16;
constexpr unsigned BATCH_CYCLES = 256;         // between two looks at the terminal
constexpr uint64_t IDLE_CYCLES = 4'000'000;    // without a byte: from now on the processor is left alone between batches
constexpr int IDLE_SLEEP_MILLISECONDS = 10;    // a byte from the host ends the sleep
constexpr size_t OUTPUT_LIMIT = 1 << 20;       // bytes kept for a host that does not read
constexpr size_t PACKET_BYTES = 62;            // payload of a full-speed packet of FTDI's bridges

// What has moved since it was asked for.
struct Traffic {
    uint64_t now = 0, first = 0, last = 0, received = 0, sent = 0;
    void begin() {
        if (received == 0 && sent == 0 && first == 0) first = now;
    }
    void end(uint64_t& count) {
        ++count;
        last = now;
    }
    void report(unsigned lights) {
        std::printf("%llu %llu %llu %llu %llu %u\n", (unsigned long long)now, (unsigned long long)first,
                    (unsigned long long)last, (unsigned long long)received, (unsigned long long)sent, lights);
        std::fflush(stdout);
        first = last = received = sent = 0;
    }
};

// A serial line, seen from the host: bytes to levels of the pin rx, levels of the pin tx to bytes; a byte with a bad stop
// bit is dropped, as any terminal program's port does.
class SerialHost {
public:
    SerialHost(unsigned divisor, Traffic& traffic) : divisor(divisor), traffic(traffic) {}

    static constexpr unsigned LEAST_DIVISOR = 4;
    bool busy() const { return send_bits != 0 || receive_bits != 0 || !queue.empty(); }
    bool takes() const { return queue.empty(); }
    void take(const uint8_t* bytes, size_t length) { queue.insert(queue.end(), bytes, bytes + length); }

    template <class Top> void before(Top& top) { top.rx = send(); }
    template <class Top> void after(Top& top) { receive(top.tx); }

    std::deque<uint8_t> output;

private:
    bool send() {
        if (send_bits == 0) {
            if (queue.empty()) return true;
            traffic.begin();
            send_shift = 0x200u | unsigned(queue.front()) << 1;
            queue.pop_front();
            send_bits = 10;
            send_timer = divisor;
        }
        const bool value = send_shift & 1;
        if (--send_timer == 0) {
            send_timer = divisor;
            send_shift >>= 1;
            if (--send_bits == 0) traffic.end(traffic.received);
        }
        return value;
    }

    void receive(bool level) {
        if (receive_bits == 0) {
            if (level) {
                armed = true;
            } else if (armed) {
                traffic.begin();
                receive_bits = 10;
                receive_timer = divisor / 2;
            }
            return;
        }
        if (receive_timer-- != 1) return;
        receive_timer = divisor;
        --receive_bits;
        if (receive_bits == 9) {
            if (level) receive_bits = 0;
        } else if (receive_bits != 0) {
            receive_shift = receive_shift >> 1 | unsigned(level) << 7;
        } else {
            if (level) output.push_back(uint8_t(receive_shift));
            traffic.end(traffic.sent);
            armed = level;
        }
    }

    unsigned divisor;
    Traffic& traffic;
    std::deque<uint8_t> queue;
    unsigned send_bits = 0, send_timer = 0, send_shift = 0;
    unsigned receive_bits = 0, receive_timer = 0, receive_shift = 0;
    bool armed = false;
};

// The master of an SPI link in mode 0, most significant bit first: one transfer after the other, a clock period of rest
// before, between and behind them. It samples at the rising edge, before the board has seen it.
class SpiHost {
public:
    SpiHost(unsigned divisor, Traffic& traffic) : period(divisor), traffic(traffic) {}

    static constexpr unsigned LEAST_DIVISOR = 4;
    bool busy() const { return left != 0 || !queue.empty(); }
    bool takes() const { return queue.size() < 4096; }
    void take(const uint8_t* bytes, size_t length) { queue.insert(queue.end(), bytes, bytes + length); }

    template <class Top> void before(Top& top) {
        if (left == 0) {
            top.spi_cs = top.spi_sck = 0;
            if (pause != 0) {
                --pause;
                return;
            }
            if (queue.size() < 4) return;
            uint32_t length = 0;
            for (unsigned at = 0; at < 4; ++at) {
                length |= uint32_t(queue.front()) << 8 * at;
                queue.pop_front();
            }
            if (length == 0) return;
            left = length;
            bit = phase = 0;
            lead = period;
            top.spi_cs = 1;
            return;
        }
        if (lead != 0) {
            --lead;
            return;
        }
        if (phase == 0) {
            if (bit == 0) {
                if (queue.empty()) return;  // the terminal has not brought it yet
                traffic.begin();
                shift = queue.front();
                queue.pop_front();
            }
            top.spi_copi = shift >> 7 & 1;
        }
        if (phase == period - period / 2) {
            shift = shift << 1 | unsigned(top.spi_cipo & 1);
            top.spi_sck = 1;
        }
        if (++phase < period) return;
        phase = 0;
        top.spi_sck = 0;
        if (++bit < 8) return;
        bit = 0;
        output.push_back(uint8_t(shift));
        traffic.end(traffic.received);
        ++traffic.sent;
        if (--left == 0) pause = 2 * period;
    }
    template <class Top> void after(Top&) {}

    std::deque<uint8_t> output;

private:
    unsigned period;
    Traffic& traffic;
    std::deque<uint8_t> queue;
    uint32_t left = 0;
    unsigned bit = 0, phase = 0, lead = 0, pause = 0, shift = 0;
};

template <class Top, class = void> struct Pins {
    using Host = SerialHost;
    static void rest(Top& top) { top.rx = 1; }
};
template <class Top> struct Pins<Top, std::void_t<decltype(std::declval<Top>().spi_sck)>> {
    using Host = SpiHost;
    static void rest(Top& top) { top.spi_cs = top.spi_sck = top.spi_copi = 0; }
};

template <class Top, class = void> struct FlashPins {
    static void cycle(Top&, SpiFlash&) {}
};
template <class Top> struct FlashPins<Top, std::void_t<decltype(std::declval<Top>().flash_sck)>> {
    static void cycle(Top& top, SpiFlash& flash) {
        top.flash_cipo = flash.cycle(top.flash_cs, top.flash_sck, top.flash_copi);
    }
};

template <class Top, class = void> struct Lights {
    static unsigned of(Top&) { return 0; }
};
template <class Top> struct Lights<Top, std::void_t<decltype(std::declval<Top>().led)>> {
    static unsigned of(Top& top) { return top.led; }
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

std::vector<uint8_t> contents_of(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    if (file == nullptr) fail(path);
    std::vector<uint8_t> bytes;
    for (int byte; (byte = std::fgetc(file)) != EOF;) bytes.push_back(uint8_t(byte));
    std::fclose(file);
    return bytes;
}

}  // namespace

int main(int count, char** arguments) {
    using Host = Pins<Vtop>::Host;
    long divisor = Host::LEAST_DIVISOR, parent = 0, lead = 0, hold = 0, size = 1 << 20, wake = 500;
    std::vector<uint8_t> contents;
    for (int at = 1; at + 1 < count; at += 2) {
        if (std::strcmp(arguments[at], "--divisor") == 0) divisor = std::atol(arguments[at + 1]);
        if (std::strcmp(arguments[at], "--parent") == 0) parent = std::atol(arguments[at + 1]);
        if (std::strcmp(arguments[at], "--lead") == 0) lead = std::atol(arguments[at + 1]);
        if (std::strcmp(arguments[at], "--hold") == 0) hold = std::atol(arguments[at + 1]);
        if (std::strcmp(arguments[at], "--flash") == 0) contents = contents_of(arguments[at + 1]);
        if (std::strcmp(arguments[at], "--flash-size") == 0) size = std::atol(arguments[at + 1]);
        if (std::strcmp(arguments[at], "--flash-wake") == 0) wake = std::atol(arguments[at + 1]);
    }
    if (divisor < long(Host::LEAST_DIVISOR) || divisor > 65536 || lead < 0 || hold < 0 || wake < 0 || size < 1 || size > 1 << 24) {
        std::fprintf(stderr, "usage: %s [--divisor %u..65536] [--parent PID] [--hold CYCLES] [--flash FILE] ...\n",
                     arguments[0], Host::LEAST_DIVISOR);
        return 2;
    }
    struct sigaction action = {};
    action.sa_handler = stop;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    action.sa_handler = ask;
    sigaction(SIGUSR1, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    VerilatedContext context;
    auto top = std::make_unique<Vtop>(&context);
    SpiFlash flash(std::move(contents), size_t(size), uint64_t(wake));
    Traffic traffic;
    Host host(unsigned(divisor), traffic);

    Pins<Vtop>::rest(*top);
    top->rst = 1;
    for (unsigned cycle = 0; cycle < RESET_CYCLES; ++cycle) {
        top->clk = 0;
        top->eval();
        top->clk = 1;
        top->eval();
    }
    top->rst = 0;
    const auto clock = [&] {
        top->clk = 0;
        top->eval();
        host.before(*top);
        FlashPins<Vtop>::cycle(*top, flash);
        top->clk = 1;
        top->eval();
        ++traffic.now;
        host.after(*top);
    };
    for (long cycle = 0; cycle < lead && !stopped; ++cycle) clock();
    const int terminal = open_terminal();

    uint64_t quiet = 0;    // cycles since a byte moved
    uint64_t waiting = 0;  // cycles since a byte for the host came, while it is held
    while (!stopped) {
        if (parent != 0 && getppid() != parent) break;
        for (unsigned cycle = 0; cycle < BATCH_CYCLES; ++cycle) clock();
        if (asked) {
            asked = 0;
            traffic.report(Lights<Vtop>::of(*top));
        }
        quiet = host.busy() ? 0 : quiet + BATCH_CYCLES;
        waiting = host.output.empty() ? 0 : waiting + BATCH_CYCLES;
        if (waiting >= uint64_t(hold) || host.output.size() >= PACKET_BYTES) {
            while (!host.output.empty()) {
                const uint8_t byte = host.output.front();
                if (write(terminal, &byte, 1) != 1) {
                    if (host.output.size() > OUTPUT_LIMIT) host.output.clear();
                    break;
                }
                host.output.pop_front();
            }
            waiting = 0;
        }
        if (host.takes()) {
            if (quiet >= IDLE_CYCLES) {
                pollfd wait = {terminal, POLLIN, 0};
                poll(&wait, 1, IDLE_SLEEP_MILLISECONDS);
            }
            uint8_t bytes[1024];
            const ssize_t length = read(terminal, bytes, sizeof bytes);
            if (length > 0) {
                host.take(bytes, size_t(length));
                quiet = 0;
            }
        }
    }
    top->final();
    return 0;
}

// A single-data-rate SDRAM of 16 bits, cycle by cycle, as the data sheets describe it (JEDEC JESD21-C 3.11.5; Micron
// MT48LC16M16A2, ISSI IS42S16160G). It keeps data, and it judges: each rule of timing or state that a command breaks is counted,
// `violation` holds the number of the latest one, and with STRICT the simulation ends. Times are in picoseconds.
//
// Commands and write data are sampled at the rising edge. Read data that a controller may sample at an edge stands on dq_out in
// the cycle in front of it, PIN_DELAY cycles later than the memory's own pins would have it.

module sdram_model #(
    parameter ROW_BITS = 13, parameter COLUMN_BITS = 9, parameter BANK_BITS = 2,
    parameter PERIOD = 10000, parameter CAS_2_PERIOD = 10000,
    parameter T_RCD = 21000, parameter T_RP = 21000, parameter T_RAS = 44000, parameter T_RC = 66000,
    parameter T_RFC = 66000, parameter T_WR = 15000, parameter T_RRD = 15000, parameter T_MRD = 2,
    parameter T_REFI = 7812500, parameter POSTPONED = 8, parameter T_POWER_UP = 200000000,
    parameter T_RAS_MOST = 100000000, parameter PIN_DELAY = 0, parameter STRICT = 1
) (
    input clk, input cke, input cs_n, input ras_n, input cas_n, input we_n,
    input [1:0] ba, input [12:0] a, input [1:0] dqm, input [15:0] dq_in, input dq_drive,
    output [15:0] dq_out, output reg [7:0] violation, output reg [31:0] violations
);
    localparam [7:0] RULE_POWER_UP = 1;      // a command before the pause behind power-up has ended
    localparam [7:0] RULE_SEQUENCE = 2;      // a row opened before precharge of all, two refreshes and the mode
    localparam [7:0] RULE_T_RCD = 3;
    localparam [7:0] RULE_T_RP = 4;
    localparam [7:0] RULE_T_RAS = 5;
    localparam [7:0] RULE_T_RC = 6;
    localparam [7:0] RULE_T_RFC = 7;
    localparam [7:0] RULE_T_REFI = 8;        // more refreshes are late than may be postponed
    localparam [7:0] RULE_T_WR = 9;
    localparam [7:0] RULE_T_MRD = 10;
    localparam [7:0] RULE_CLOSED = 11;       // read or write where no row is open
    localparam [7:0] RULE_OPEN = 12;         // a row opened in a bank with an open row
    localparam [7:0] RULE_NOT_IDLE = 13;     // refresh or mode with an open row
    localparam [7:0] RULE_BUS = 14;          // memory and controller drive the data at once
    localparam [7:0] RULE_T_RRD = 15;
    localparam [7:0] RULE_MODE = 16;         // a mode that the memory or the clock does not allow
    localparam [7:0] RULE_T_RAS_MOST = 17;   // a row open for too long
    localparam [7:0] RULE_MASK = 18;         // a read with masked bytes: not modelled
    localparam [7:0] RULE_WRITE_CUT = 19;    // a bank closed before its write was complete
    localparam [7:0] RULE_CLOCK = 20;        // the clock switched off: not modelled

    localparam BANKS = 1 << BANK_BITS;
    localparam [63:0] NEVER = 64'hffffffff00000000;

    reg [15:0] cells [0:(1 << (ROW_BITS + COLUMN_BITS + BANK_BITS)) - 1];
    reg [63:0] now;                           // time of this edge
    reg [BANKS-1:0] is_open;
    reg [ROW_BITS-1:0] row [0:BANKS-1];
    reg [63:0] opened [0:BANKS-1], closed [0:BANKS-1], written [0:BANKS-1];
    reg [63:0] last_opened, last_refresh, initialized, refreshes, moded;
    reg precharged, ready;
    reg [7:0] early_refreshes;
    reg [2:0] cas;
    reg [3:0] length;                         // beats of a burst
    reg [3:0] read_left, write_left;
    reg [1:0] read_bank, write_bank;
    reg [COLUMN_BITS-1:0] read_column, write_column;
    reg [16:0] pipe [0:3];                    // valid, data; index 0 would be a latency of 1
    reg [16:0] path [0:7];
    reg [2:0] order;
    integer i;

    initial begin
        now = 0; is_open = 0; last_opened = NEVER; last_refresh = NEVER; initialized = 0; refreshes = 0; moded = NEVER;
        precharged = 0; ready = 0; early_refreshes = 0; cas = 2; length = 1; read_left = 0; write_left = 0;
        violation = 0; violations = 0; read_bank = 0; write_bank = 0; read_column = 0; write_column = 0; order = 7;
        for (i = 0; i < BANKS; i = i + 1) begin
            opened[i] = NEVER; closed[i] = NEVER; written[i] = NEVER; row[i] = 0;
        end
        for (i = 0; i < 4; i = i + 1) pipe[i] = 0;
        for (i = 0; i < 8; i = i + 1) path[i] = 0;
    end

    task violate(input [7:0] rule);
        begin
            violation = rule;
            violations = violations + 1;
            if (STRICT) begin
                $display("SDRAM: rule %0d broken at %0d ps", rule, now);
                $fatal;
            end
        end
    endtask

    // Whether less than `least` has passed since `since`.
    function early(input [63:0] since, input [63:0] least);
        early = since != NEVER && now - since < least;
    endfunction

    task close(input [1:0] bank);
        begin
            if (is_open[bank]) begin
                if (early(opened[bank], T_RAS)) violate(RULE_T_RAS);
                if (early(written[bank], T_WR)) violate(RULE_T_WR);
                if (write_left != 0 && write_bank == bank) violate(RULE_WRITE_CUT);
                if (now - opened[bank] > T_RAS_MOST) violate(RULE_T_RAS_MOST);
                closed[bank] = now;
            end
            if (read_bank == bank) read_left = 0;
            is_open[bank] = 0;
        end
    endtask

    task idle_for(input [63:0] least_closed);
        begin
            if (is_open != 0) violate(RULE_NOT_IDLE);
            for (i = 0; i < BANKS; i = i + 1) if (early(closed[i], least_closed)) violate(RULE_T_RP);
        end
    endtask

    always @(posedge clk) begin
        order = cs_n ? 3'b111 : {ras_n, cas_n, we_n};
        if (!cke && (now != 0) && ready) violate(RULE_CLOCK);
        if (order != 3'b111) begin
            if (now < T_POWER_UP) violate(RULE_POWER_UP);
            if (early(last_refresh, T_RFC)) violate(RULE_T_RFC);
            if (early(moded, T_MRD * PERIOD)) violate(RULE_T_MRD);
        end
        if (ready && (now - initialized) / T_REFI > refreshes + POSTPONED) begin
            violate(RULE_T_REFI);
            refreshes = refreshes + 1;
        end

        // A write goes on.
        if (write_left != 0 && order != 3'b100 && order != 3'b101) begin
            if (!dqm[0]) cells[{row[write_bank], write_bank, write_column}][7:0] = dq_in[7:0];
            if (!dqm[1]) cells[{row[write_bank], write_bank, write_column}][15:8] = dq_in[15:8];
            write_column = write_column + 1;
            write_left = write_left - 1;
            written[write_bank] = now;
        end

        case (order)
            3'b011: begin  // open a row
                if (!ready) violate(RULE_SEQUENCE);
                if (is_open[ba]) violate(RULE_OPEN);
                if (early(closed[ba], T_RP)) violate(RULE_T_RP);
                if (early(opened[ba], T_RC)) violate(RULE_T_RC);
                if (early(last_opened, T_RRD)) violate(RULE_T_RRD);
                is_open[ba] = 1; row[ba] = a[ROW_BITS-1:0]; opened[ba] = now; last_opened = now; written[ba] = NEVER;
            end
            3'b101: begin  // read
                if (!is_open[ba]) violate(RULE_CLOSED);
                else if (early(opened[ba], T_RCD)) violate(RULE_T_RCD);
                if (dqm != 0) violate(RULE_MASK);
                if (write_left != 0) violate(RULE_WRITE_CUT);
                write_left = 0; read_left = length; read_bank = ba; read_column = a[COLUMN_BITS-1:0];
            end
            3'b100: begin  // write
                if (!is_open[ba]) violate(RULE_CLOSED);
                else if (early(opened[ba], T_RCD)) violate(RULE_T_RCD);
                read_left = 0; write_left = length - 1; write_bank = ba; write_column = a[COLUMN_BITS-1:0] + 1;
                if (!dqm[0]) cells[{row[ba], ba, a[COLUMN_BITS-1:0]}][7:0] = dq_in[7:0];
                if (!dqm[1]) cells[{row[ba], ba, a[COLUMN_BITS-1:0]}][15:8] = dq_in[15:8];
                written[ba] = now;
            end
            3'b010: begin  // close rows
                if (a[10]) begin
                    for (i = 0; i < BANKS; i = i + 1) close(i[1:0]);
                    precharged = 1;
                    if (!ready) for (i = 0; i < BANKS; i = i + 1) closed[i] = now;
                end else close(ba);
            end
            3'b001: begin  // refresh
                if (!precharged) violate(RULE_SEQUENCE);
                idle_for(T_RP);
                for (i = 0; i < BANKS; i = i + 1) if (early(opened[i], T_RC)) violate(RULE_T_RC);
                last_refresh = now;
                // As many as may be late may be early.
                if (refreshes < (now - initialized) / T_REFI + POSTPONED) refreshes = refreshes + 1;
                if (!ready) early_refreshes = early_refreshes + 1;
            end
            3'b000: begin  // mode
                if (!precharged || early_refreshes < 2) violate(RULE_SEQUENCE);
                idle_for(T_RP);
                if (a[2:0] > 3 || (a[6:4] != 2 && a[6:4] != 3) || a[3] || a[12:7] != 0 || ba != 0) violate(RULE_MODE);
                if (a[6:4] == 2 && PERIOD < CAS_2_PERIOD) violate(RULE_MODE);
                length = 4'd1 << a[1:0]; cas = a[6:4]; moded = now;
                if (!ready && precharged && early_refreshes >= 2) begin initialized = now; refreshes = 0; ready = 1; end
            end
            default: ;
        endcase

        if (dq_drive && pipe[cas - 1][16]) violate(RULE_BUS);

        // Read data on its way.
        for (i = 7; i > 0; i = i - 1) path[i] = path[i-1];
        for (i = 3; i > 0; i = i - 1) pipe[i] = pipe[i-1];
        if (read_left != 0) begin
            pipe[0] = {1'b1, cells[{row[read_bank], read_bank, read_column}]};
            // A burst wraps inside of its block of columns.
            read_column = length == 2 ? read_column ^ 1 : read_column + 1;
            read_left = read_left - 1;
        end else pipe[0] = 0;
        path[0] = pipe[cas - 1];
        now = now + PERIOD;
    end

    assign dq_out = path[PIN_DELAY][16] ? path[PIN_DELAY][15:0] : 16'h5a5a;
endmodule

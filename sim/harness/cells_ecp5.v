// Behaviour of the ECP5 cells in the modes that hw/primitives instantiates and that Yosys infers. It ships them as black boxes.
// A setting outside these modes stops the simulation.

// Block RAM: port A writes, port B reads. Reading a byte in the cycle in which it is written returns the complement of the
// stored one: undefined on the device, so nobody may rely on it.
module DP16KD (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3,
        DIA2, DIA1, DIA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3,
        DIB2, DIB1, DIB0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3,
        DOA2, DOA1, DOA0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3,
        DOB2, DOB1, DOB0
);
    parameter DATA_WIDTH_A = 18;
    parameter DATA_WIDTH_B = 18;
    parameter REGMODE_A = "NOREG";
    parameter REGMODE_B = "NOREG";
    parameter RESETMODE = "SYNC";
    parameter ASYNC_RESET_RELEASE = "SYNC";
    parameter CSDECODE_A = "0b000";
    parameter CSDECODE_B = "0b000";
    parameter WRITEMODE_A = "NORMAL";
    parameter WRITEMODE_B = "NORMAL";
    parameter CLKAMUX = "CLKA";
    parameter CLKBMUX = "CLKB";
    parameter GSR = "ENABLED";
    parameter [319:0] INITVAL_00 = 320'd0;
    parameter [319:0] INITVAL_01 = 320'd0;
    parameter [319:0] INITVAL_02 = 320'd0;
    parameter [319:0] INITVAL_03 = 320'd0;
    parameter [319:0] INITVAL_04 = 320'd0;
    parameter [319:0] INITVAL_05 = 320'd0;
    parameter [319:0] INITVAL_06 = 320'd0;
    parameter [319:0] INITVAL_07 = 320'd0;
    parameter [319:0] INITVAL_08 = 320'd0;
    parameter [319:0] INITVAL_09 = 320'd0;
    parameter [319:0] INITVAL_0A = 320'd0;
    parameter [319:0] INITVAL_0B = 320'd0;
    parameter [319:0] INITVAL_0C = 320'd0;
    parameter [319:0] INITVAL_0D = 320'd0;
    parameter [319:0] INITVAL_0E = 320'd0;
    parameter [319:0] INITVAL_0F = 320'd0;
    parameter [319:0] INITVAL_10 = 320'd0;
    parameter [319:0] INITVAL_11 = 320'd0;
    parameter [319:0] INITVAL_12 = 320'd0;
    parameter [319:0] INITVAL_13 = 320'd0;
    parameter [319:0] INITVAL_14 = 320'd0;
    parameter [319:0] INITVAL_15 = 320'd0;
    parameter [319:0] INITVAL_16 = 320'd0;
    parameter [319:0] INITVAL_17 = 320'd0;
    parameter [319:0] INITVAL_18 = 320'd0;
    parameter [319:0] INITVAL_19 = 320'd0;
    parameter [319:0] INITVAL_1A = 320'd0;
    parameter [319:0] INITVAL_1B = 320'd0;
    parameter [319:0] INITVAL_1C = 320'd0;
    parameter [319:0] INITVAL_1D = 320'd0;
    parameter [319:0] INITVAL_1E = 320'd0;
    parameter [319:0] INITVAL_1F = 320'd0;
    parameter [319:0] INITVAL_20 = 320'd0;
    parameter [319:0] INITVAL_21 = 320'd0;
    parameter [319:0] INITVAL_22 = 320'd0;
    parameter [319:0] INITVAL_23 = 320'd0;
    parameter [319:0] INITVAL_24 = 320'd0;
    parameter [319:0] INITVAL_25 = 320'd0;
    parameter [319:0] INITVAL_26 = 320'd0;
    parameter [319:0] INITVAL_27 = 320'd0;
    parameter [319:0] INITVAL_28 = 320'd0;
    parameter [319:0] INITVAL_29 = 320'd0;
    parameter [319:0] INITVAL_2A = 320'd0;
    parameter [319:0] INITVAL_2B = 320'd0;
    parameter [319:0] INITVAL_2C = 320'd0;
    parameter [319:0] INITVAL_2D = 320'd0;
    parameter [319:0] INITVAL_2E = 320'd0;
    parameter [319:0] INITVAL_2F = 320'd0;
    parameter [319:0] INITVAL_30 = 320'd0;
    parameter [319:0] INITVAL_31 = 320'd0;
    parameter [319:0] INITVAL_32 = 320'd0;
    parameter [319:0] INITVAL_33 = 320'd0;
    parameter [319:0] INITVAL_34 = 320'd0;
    parameter [319:0] INITVAL_35 = 320'd0;
    parameter [319:0] INITVAL_36 = 320'd0;
    parameter [319:0] INITVAL_37 = 320'd0;
    parameter [319:0] INITVAL_38 = 320'd0;
    parameter [319:0] INITVAL_39 = 320'd0;
    parameter [319:0] INITVAL_3A = 320'd0;
    parameter [319:0] INITVAL_3B = 320'd0;
    parameter [319:0] INITVAL_3C = 320'd0;
    parameter [319:0] INITVAL_3D = 320'd0;
    parameter [319:0] INITVAL_3E = 320'd0;
    parameter [319:0] INITVAL_3F = 320'd0;

    // 1024 units of 18 bits, 20 bits apart.
    localparam [20499:0] INITIAL = {20'd0,
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
        INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
        INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
        INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
        INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
        INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
        INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
        INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
    };
    localparam SHIFT_A = DATA_WIDTH_A == 36 ? 5 : DATA_WIDTH_A == 18 ? 4 : DATA_WIDTH_A == 9 ? 3
                       : DATA_WIDTH_A == 4 ? 2 : DATA_WIDTH_A == 2 ? 1 : 0;
    localparam SHIFT_B = DATA_WIDTH_B == 36 ? 5 : DATA_WIDTH_B == 18 ? 4 : DATA_WIDTH_B == 9 ? 3
                       : DATA_WIDTH_B == 4 ? 2 : DATA_WIDTH_B == 2 ? 1 : 0;
    localparam UNITS_A = DATA_WIDTH_A < 9 ? 1 : DATA_WIDTH_A / 9;
    localparam UNITS_B = DATA_WIDTH_B < 9 ? 1 : DATA_WIDTH_B / 9;

    initial begin
        if (DATA_WIDTH_A == 36 && REGMODE_A != REGMODE_B) $fatal(1, "DP16KD model: half of a word is registered");
        if (CSDECODE_A != "0b000" || CSDECODE_B != "0b000") $fatal(1, "DP16KD model: chip select");
        if (CLKAMUX != "CLKA" || CLKBMUX != "CLKB") $fatal(1, "DP16KD model: inverted clock");
    end

    wire [35:0] write_data = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3,
        DIB2, DIB1, DIB0,
                              DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3,
        DIA2, DIA1, DIA0};
    wire [13:0] write_pins = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [13:0] read_pins = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
    wire writing = CEA && WEA && {CSA2, CSA1, CSA0} == 3'b000 && !RSTA;
    wire reading = CEB && !WEB && {CSB2, CSB1, CSB0} == 3'b000;
    wire [3:0] enables = DATA_WIDTH_A == 36 ? write_pins[3:0] : DATA_WIDTH_A == 18 ? {2'b00, write_pins[1:0]} : 4'b0001;

    // Units of 9 bits, of which words of less than 9 bits leave the last out.
    reg [8:0] memory [0:2047];
    wire [10:0] write_unit = (write_pins >> SHIFT_A) * DATA_WIDTH_A / (DATA_WIDTH_A < 9 ? 8 : 9);
    wire [10:0] read_unit = (read_pins >> SHIFT_B) * DATA_WIDTH_B / (DATA_WIDTH_B < 9 ? 8 : 9);
    localparam PART_A = DATA_WIDTH_A < 9 ? DATA_WIDTH_A : 9;
    localparam PART_B = DATA_WIDTH_B < 9 ? DATA_WIDTH_B : 9;
    wire [3:0] write_place = DATA_WIDTH_A < 9 ? write_pins[2:0] >> SHIFT_A << SHIFT_A : 0;
    wire [3:0] read_place = DATA_WIDTH_B < 9 ? read_pins[2:0] >> SHIFT_B << SHIFT_B : 0;
    wire overlap = writing && write_place < read_place + PART_B && read_place < write_place + PART_A;
    reg [35:0] fetched = 0;
    reg [35:0] shown = 0;
    integer i, j;
    initial for (i = 0; i < 2048; i = i + 1) memory[i] = INITIAL[i / 2 * 20 + i % 2 * 9 +: 9];

    always @(posedge CLKA) if (writing)
        for (i = 0; i < UNITS_A; i = i + 1) if (enables[i]) begin
            if (DATA_WIDTH_A < 9) memory[write_unit][write_place +: PART_A] <= write_data[PART_A - 1:0];
            else memory[write_unit + i] <= write_data[9 * i +: 9];
        end
    always @(posedge CLKB) begin
        if (reading)
            for (j = 0; j < UNITS_B; j = j + 1)
                fetched[9 * j +: 9] <= (memory[read_unit + j] >> read_place & 9'h1FF >> 9 - PART_B) ^ {9{
                    overlap && read_unit + j >= write_unit && read_unit + j < write_unit + UNITS_A
                    && enables[read_unit + j - write_unit & 3]}};
        if (RSTB && REGMODE_B == "NOREG") fetched <= 0;
        if (OCEB) shown <= fetched;
        if (RSTB) shown <= 0;
    end
    wire [35:0] word = REGMODE_B == "OUTREG" ? shown : fetched;
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3,
        DOA2, DOA1, DOA0} = DATA_WIDTH_B == 36 ? word[17:0] : 18'd0;
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3,
        DOB2, DOB1, DOB0} = DATA_WIDTH_B == 36 ? word[35:18] : word[17:0];
endmodule

// Multiplier: input and output register on CLK0, no pipeline register, no cascade.
module MULT18X18D (
    input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    input CLK3, CLK2, CLK1, CLK0, CE3, CE2, CE1, CE0, RST3, RST2, RST1, RST0,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16,
        P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
    parameter REG_INPUTA_CLK = "NONE";
    parameter REG_INPUTA_CE = "CE0";
    parameter REG_INPUTA_RST = "RST0";
    parameter REG_INPUTB_CLK = "NONE";
    parameter REG_INPUTB_CE = "CE0";
    parameter REG_INPUTB_RST = "RST0";
    parameter REG_PIPELINE_CLK = "NONE";
    parameter REG_OUTPUT_CLK = "NONE";
    parameter REG_OUTPUT_CE = "CE0";
    parameter REG_OUTPUT_RST = "RST0";
    parameter RESETMODE = "SYNC";
    parameter GSR = "ENABLED";

    initial begin
        if (REG_INPUTA_CLK != "CLK0" || REG_INPUTB_CLK != "CLK0" || REG_OUTPUT_CLK != "CLK0")
            $fatal(1, "MULT18X18D model: input and output registers on CLK0 only");
        if (REG_PIPELINE_CLK != "NONE") $fatal(1, "MULT18X18D model: no pipeline register");
    end

    wire [17:0] a = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
    wire [17:0] b = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
    reg [17:0] held_a = 0;
    reg [17:0] held_b = 0;
    reg [35:0] product = 0;
    wire signed [18:0] extended_a = {SIGNEDA & held_a[17], held_a};
    wire signed [18:0] extended_b = {SIGNEDB & held_b[17], held_b};
    wire signed [37:0] full = extended_a * extended_b;
    always @(posedge CLK0) begin
        if (RST0) begin
            held_a <= 0;
            held_b <= 0;
            product <= 0;
        end else if (CE0) begin
            held_a <= SOURCEA ? 18'd0 : a;
            held_b <= SOURCEB ? 18'd0 : b;
            product <= full[35:0];
        end
    end
    assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16,
        P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = product;
endmodule

// Carry cell: two look-up tables and their carries, in the form without injection.
module CCU2C (
    input CIN, A0, B0, C0, D0, A1, B1, C1, D1,
    output S0, S1, COUT
);
    parameter [15:0] INIT0 = 16'h0000;
    parameter [15:0] INIT1 = 16'h0000;
    parameter INJECT1_0 = "YES";
    parameter INJECT1_1 = "YES";

    initial if (INJECT1_0 != "NO" || INJECT1_1 != "NO") $fatal(1, "CCU2C model: no injection");

    wire table_0 = INIT0[{D0, C0, B0, A0}];
    wire table_1 = INIT1[{D1, C1, B1, A1}];
    wire generate_0 = INIT0[{2'b00, B0, A0}];
    wire generate_1 = INIT1[{2'b00, B1, A1}];
    wire carry = table_0 ? CIN : generate_0;
    assign S0 = table_0 ^ CIN;
    assign S1 = table_1 ^ carry;
    assign COUT = table_1 ? carry : generate_1;
endmodule

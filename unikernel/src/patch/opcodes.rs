//! What follows each opcode byte, one character per opcode, laid out as the opcode maps of the
//! Intel SDM (volume 2, appendix A) for 64-bit mode.
//!
//! | character | after the opcode |
//! |---|---|
//! | `.` | nothing |
//! | `M` | ModRM with its SIB and displacement |
//! | `N` | ModRM, imm8 |
//! | `Z` | ModRM, imm16 or imm32 by operand size |
//! | `g` `G` | ModRM, and for /0 and /1 imm8 (`g`) or imm16/imm32 (`G`) |
//! | `b` `w` `e` | imm8; imm16; imm16 and imm8 (`enter`) |
//! | `z` `v` | imm16/imm32; imm16/imm32/imm64, by operand size |
//! | `o` | a memory offset of the address size |
//! | `j` `J` | rel8; rel32 |
//! | `P` `R` `E` | a prefix; REX; an escape to another map (the decoder handles these itself) |
//! | `x` | invalid in 64-bit mode |

pub type Map = [u8; 256];

/// Table A-2.
pub static ONE_BYTE: &Map = b"\
    MMMMbzxxMMMMbzxE\
    MMMMbzxxMMMMbzxx\
    MMMMbzPxMMMMbzPx\
    MMMMbzPxMMMMbzPx\
    RRRRRRRRRRRRRRRR\
    ................\
    xxEMPPPPzZbN....\
    jjjjjjjjjjjjjjjj\
    NZxNMMMMMMMMMMMM\
    ..........x.....\
    oooo....bz......\
    bbbbbbbbvvvvvvvv\
    NNw.EENZe.w..bx.\
    MMMMxxx.MMMMMMMM\
    jjjjbbbbJJxj....\
    P.PP..gG......MM";

/// Table A-3: 0F.
pub static TWO_BYTE: &Map = b"\
    MMMMx.....x.xM.N\
    MMMMMMMMMMMMMMMM\
    MMMMxxxxMMMMMMMM\
    ......x.ExExxxxx\
    MMMMMMMMMMMMMMMM\
    MMMMMMMMMMMMMMMM\
    MMMMMMMMMMMMMMMM\
    NNNNMMM.MMxxMMMM\
    JJJJJJJJJJJJJJJJ\
    MMMMMMMMMMMMMMMM\
    ...MNMxx...MNMMM\
    MMMMMMMMMMNMMMMM\
    MMNMNNNM........\
    MMMMMMMMMMMMMMMM\
    MMMMMMMMMMMMMMMM\
    MMMMMMMMMMMMMMMM";

/// Table A-4: 0F 38, without VEX.
pub static THREE_BYTE_38: &Map = b"\
    MMMMMMMMMMMMxxxx\
    MxxxMMxMxxxxMMMx\
    MMMMMMxxMMMMxxxx\
    MMMMMMMMMMMMMMMM\
    MMxxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    MMMxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    xxxxxxxxMMMMMMxM\
    xxxxxxxxMxxMMMMM\
    xxxxxxxxxxxxxxxx\
    MMxxxMMxMMMMMxxx";

/// Table A-5: 0F 3A, without VEX.
pub static THREE_BYTE_3A: &Map = b"\
    xxxxxxxxNNNNNNNN\
    xxxxNNNNxxxxxxxx\
    NNNxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    NNNxNxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    NNNNxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    xxxxxxxxxxxxxxxx\
    xxxxxxxxxxxxNxNN\
    xxxxxxxxxxxxxxxN\
    xxxxxxxxxxxxxxxx\
    Nxxxxxxxxxxxxxxx";

/// Map 1 under VEX and EVEX.
pub static VEX_MAP_1: &Map = b"\
    xxxxxxxxxxxxxxxx\
    MMMMMMMMxxxxxxxx\
    xxxxxxxxMMMMMMMM\
    xxxxxxxxxxxxxxxx\
    xMMxMMMMxxMMxxxx\
    MMMMMMMMMMMMMMMM\
    MMMMMMMMMMMMMMMM\
    NNNNMMM.MMMMMMMM\
    xxxxxxxxxxxxxxxx\
    MMMMxxxxMMxxxxxx\
    xxxxxxxxxxxxxxMx\
    xxxxxxxxxxxxxxxx\
    xxNxNNNxxxxxxxxx\
    MMMMMMMMMMMMMMMM\
    MMMMMMMMMMMMMMMM\
    MMMMMMMMMMMMMMMx";

//! Byte searches over whole text segments, 64 bytes a step. SSE2 is part of x86-64.

use core::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128,
    _mm_set1_epi8,
};

const STEP: usize = 64;

/// Calls `found` with the offset of each `0F 05` and `0F A2` in `text`, in order.
pub fn syscall_and_cpuid(text: &[u8], mut found: impl FnMut(usize)) {
    // SAFETY: SSE2 is always there on x86-64; `vectors` gives pointers to 16 readable bytes.
    let hits = |first, second| unsafe {
        let escape = _mm_cmpeq_epi8(first, _mm_set1_epi8(0x0f));
        let syscall = _mm_cmpeq_epi8(second, _mm_set1_epi8(0x05));
        let cpuid = _mm_cmpeq_epi8(second, _mm_set1_epi8(0xa2_u8 as i8));
        _mm_and_si128(escape, _mm_or_si128(syscall, cpuid))
    };
    let is = |first: u8, second: u8| first == 0x0f && matches!(second, 0x05 | 0xa2);
    pairs(text, hits, is, &mut found);
}

/// Calls `found` with the target of each direct branch that has a 32-bit displacement (`call`, `jmp`,
/// `jcc`), as an offset into `text` that may lie outside of it. Every byte is taken as the start of
/// an instruction: more targets than the program has, but none less.
pub fn far_branches(text: &[u8], mut found: impl FnMut(i64)) {
    // SAFETY: as above.
    let hits = |first, second| unsafe {
        let call_or_jmp = _mm_cmpeq_epi8(
            _mm_and_si128(first, _mm_set1_epi8(0xfe_u8 as i8)),
            _mm_set1_epi8(0xe8_u8 as i8),
        );
        let escape = _mm_cmpeq_epi8(first, _mm_set1_epi8(0x0f));
        let jcc = _mm_cmpeq_epi8(
            _mm_and_si128(second, _mm_set1_epi8(0xf0_u8 as i8)),
            _mm_set1_epi8(0x80_u8 as i8),
        );
        _mm_or_si128(call_or_jmp, _mm_and_si128(escape, jcc))
    };
    let is =
        |first: u8, second: u8| first & 0xfe == 0xe8 || (first == 0x0f && second & 0xf0 == 0x80);
    pairs(text, hits, is, &mut |at| {
        let end = at + if text[at] == 0x0f { 6 } else { 5 };
        if let Some(rel) = text
            .get(end - 4..end)
            .and_then(|bytes| bytes.try_into().ok())
        {
            found(end as i64 + i64::from(i32::from_le_bytes(rel)));
        }
    });
}

/// Calls `found` for each offset whose byte and next byte satisfy `is`; `hits` is its vector form.
fn pairs(
    text: &[u8],
    hits: impl Fn(__m128i, __m128i) -> __m128i,
    is: impl Fn(u8, u8) -> bool,
    found: &mut impl FnMut(usize),
) {
    let mut at = 0;
    while at + STEP < text.len() {
        let mask = |block: usize| {
            // SAFETY: block * 16 + 16 <= STEP, so that the second load ends at at + STEP + 1 <= text.len().
            unsafe {
                let from = text.as_ptr().add(at + block * 16);
                let (first, second) = (
                    _mm_loadu_si128(from.cast()),
                    _mm_loadu_si128(from.add(1).cast()),
                );
                // 16 bits, one for each byte.
                _mm_movemask_epi8(hits(first, second)) as u32
            }
        };
        let (low, high) = (mask(0) | mask(1) << 16, mask(2) | mask(3) << 16);
        let mut bits = u64::from(low) | u64::from(high) << 32;
        while bits != 0 {
            found(at + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
        at += STEP;
    }
    for (index, pair) in text[at..].windows(2).enumerate() {
        if is(pair[0], pair[1]) {
            found(at + index);
        }
    }
}

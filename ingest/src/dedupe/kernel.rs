//! How two runs of hashes are compared.

/// How two runs of hashes are compared; the fastest way this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Popcnt,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    pub(super) fn fastest() -> Kernel {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vpopcntdq")
                && is_x86_feature_detected!("popcnt")
            {
                return Kernel::Avx512;
            }
            if is_x86_feature_detected!("popcnt") {
                return Kernel::Popcnt;
            }
        }
        Kernel::Plain
    }

    /// Calls `hit(i, j, distance)` for all `a[i]`, `b[j]` within `limit`; with
    /// `same`, `a` and `b` are one run and only `i < j` count.
    #[inline(always)]
    pub(super) fn scan(
        self,
        a: &[u64],
        b: &[u64],
        limit: u32,
        same: bool,
        hit: impl FnMut(usize, usize, u32),
    ) {
        match self {
            Kernel::Plain => scan_plain(a, b, limit, same, hit),
            // SAFETY: `fastest` chose this kernel after finding its features.
            #[cfg(target_arch = "x86_64")]
            Kernel::Popcnt => unsafe { scan_popcnt(a, b, limit, same, hit) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => unsafe { scan_avx512(a, b, limit, same, hit) },
        }
    }
}

#[inline(always)]
fn scan_plain(
    a: &[u64],
    b: &[u64],
    limit: u32,
    same: bool,
    mut hit: impl FnMut(usize, usize, u32),
) {
    for (i, &x) in a.iter().enumerate() {
        let from = if same { i + 1 } else { 0 };
        for (j, &y) in b.iter().enumerate().skip(from) {
            let distance = (x ^ y).count_ones();
            if distance <= limit {
                hit(i, j, distance);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn scan_popcnt(a: &[u64], b: &[u64], limit: u32, same: bool, hit: impl FnMut(usize, usize, u32)) {
    scan_plain(a, b, limit, same, hit);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
fn scan_avx512(
    a: &[u64],
    b: &[u64],
    limit: u32,
    same: bool,
    mut hit: impl FnMut(usize, usize, u32),
) {
    use std::arch::x86_64::{
        _mm512_mask_cmple_epu64_mask, _mm512_maskz_loadu_epi64, _mm512_popcnt_epi64,
        _mm512_set1_epi64, _mm512_xor_si512,
    };
    let bound = _mm512_set1_epi64(i64::from(limit));
    // Eight of `b` at a time stay in a register while all of `a` pass by.
    for (chunk, eight) in b.chunks(8).enumerate() {
        let at = chunk * 8;
        let lanes = 0xffu8 >> (8 - eight.len());
        // SAFETY: only the lanes of the mask are read, and they lie inside `eight`.
        let y8 = unsafe { _mm512_maskz_loadu_epi64(lanes, eight.as_ptr().cast()) };
        let rows = if same { &a[..at + eight.len()] } else { a };
        for (i, &x) in rows.iter().enumerate() {
            let distance = _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_set1_epi64(x as i64), y8));
            let mut near = _mm512_mask_cmple_epu64_mask(lanes, distance, bound);
            if same && i >= at {
                near &= 0xfeu8 << (i - at);
            }
            while near != 0 {
                let lane = near.trailing_zeros() as usize;
                near &= near.wrapping_sub(1);
                hit(i, at + lane, (x ^ eight[lane]).count_ones());
            }
        }
    }
}

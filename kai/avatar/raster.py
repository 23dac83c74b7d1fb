"""The renderer's inner loops, compiled by numba. Every kernel releases the GIL; compiled code is cached on disk.

Points are (n, 3) float32; triangles (m, 3) int32; pictures (h, w, 4) uint8 BGRA, written in place; depth pictures (h, w)
float32, larger is nearer. Colours at vertices are (n, 4) float32: linear light in BGR, then the highlight. Textures hold
linear reflectance. The tone table maps light in 1/512 steps to display values (`kai.avatar.colour.make_tone_table`).
"""

# numba infers the types of a kernel's arguments; the shapes and dtypes stand in the docstrings.
# pyright: reportMissingParameterType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from kai.avatar.jit_cache import use_build_folder

use_build_folder()

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

_f4 = np.float32


def _kernel(function: Kernel) -> Kernel:
    return numba.njit(cache=True, fastmath=True, boundscheck=False, nogil=True)(function)  # pyright: ignore[reportReturnType]


@_kernel
def blend_shapes(neutral, starts, vertices, moves, active, weights, out):
    """``out`` = ``neutral`` moved by the ``active`` (int64) shapes, each times its weight."""
    for i in range(neutral.shape[0]):
        for k in range(3):
            out[i, k] = neutral[i, k]
    for shape in active:
        w = weights[shape]
        for j in range(starts[shape], starts[shape + 1]):
            i = vertices[j]
            out[i, 0] += w * moves[j, 0]
            out[i, 1] += w * moves[j, 1]
            out[i, 2] += w * moves[j, 2]


@_kernel
def turn(points, share, rotation, pivot, shift, out):
    """``out`` = points turned about ``pivot`` and shifted, each by its ``share`` (n,) of the way."""
    for i in range(points.shape[0]):
        w = share[i]
        x = points[i, 0] - pivot[0]
        y = points[i, 1] - pivot[1]
        z = points[i, 2] - pivot[2]
        for k in range(3):
            moved = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z + pivot[k] + shift[k]
            out[i, k] = points[i, k] + w * (moved - points[i, k])


@_kernel
def normals(points, triangles, out):
    """Unit normals at the vertices, weighted by the triangles' areas."""
    out[:] = 0
    for t in range(triangles.shape[0]):
        a = triangles[t, 0]
        b = triangles[t, 1]
        c = triangles[t, 2]
        ux = points[b, 0] - points[a, 0]
        uy = points[b, 1] - points[a, 1]
        uz = points[b, 2] - points[a, 2]
        vx = points[c, 0] - points[a, 0]
        vy = points[c, 1] - points[a, 1]
        vz = points[c, 2] - points[a, 2]
        nx = uy * vz - uz * vy
        ny = uz * vx - ux * vz
        nz = ux * vy - uy * vx
        out[a, 0] += nx
        out[a, 1] += ny
        out[a, 2] += nz
        out[b, 0] += nx
        out[b, 1] += ny
        out[b, 2] += nz
        out[c, 0] += nx
        out[c, 1] += ny
        out[c, 2] += nz
    for i in range(out.shape[0]):
        x = out[i, 0]
        y = out[i, 1]
        z = out[i, 2]
        inverse = _f4(1) / np.sqrt(x * x + y * y + z * z + _f4(1e-20))
        out[i, 0] *= inverse
        out[i, 1] *= inverse
        out[i, 2] *= inverse


@_kernel
def project(points, centre_x, centre_y, scale, distance, out):
    """``out`` = picture x, picture y (down), depth, as a camera at ``distance`` on the z axis sees the points."""
    for i in range(points.shape[0]):
        k = scale * (distance - _f4(1)) / (distance - points[i, 2])
        out[i, 0] = centre_x + points[i, 0] * k
        out[i, 1] = centre_y - points[i, 1] * k
        out[i, 2] = points[i, 2]


@_kernel
def shade(points, normal, key_seen, open_sky, softness, gloss, directions, colours, tint, distance, out):
    """Light at the vertices times ``tint`` (n, 4).

    ``key_seen`` is the share of the key light that reaches a vertex, ``open_sky`` its ambient occlusion, ``softness`` how
    far light wraps past the terminator (skin 1), ``gloss`` the highlight's strength; all (n,). ``directions`` (3, 3) and
    ``colours`` (5, 3): key, fill, rim, sky, ground.
    """
    for i in range(points.shape[0]):
        nx = normal[i, 0]
        ny = normal[i, 1]
        nz = normal[i, 2]
        vx = -points[i, 0]
        vy = -points[i, 1]
        vz = distance - points[i, 2]
        inverse = _f4(1) / np.sqrt(vx * vx + vy * vy + vz * vz)
        vx *= inverse
        vy *= inverse
        vz *= inverse
        facing = nx * vx + ny * vy + nz * vz
        if facing < 0:
            facing = _f4(0)
        sky = open_sky[i]
        wrap = softness[i]
        key = nx * directions[0, 0] + ny * directions[0, 1] + nz * directions[0, 2]
        fill = nx * directions[1, 0] + ny * directions[1, 1] + nz * directions[1, 2]
        rim = nx * directions[2, 0] + ny * directions[2, 1] + nz * directions[2, 2]
        fill = max(_f4(0), (fill + _f4(0.4)) / _f4(1.4))
        edge = (_f4(1) - facing) * (_f4(1) - facing)
        rim = max(_f4(0), rim + _f4(0.25)) * edge * sky
        up = ny * _f4(0.5) + _f4(0.5)
        seen = key_seen[i]
        for k in range(3):
            # Red light wanders farther under the skin than blue, so it wraps farther round the form.
            soft = wrap * (_f4(0.42) if k == 2 else (_f4(0.22) if k == 1 else _f4(0.16)))
            lit = (key + soft) / (_f4(1) + soft)
            if lit < 0:
                lit = _f4(0)
            softly_seen = seen + (_f4(1) - seen) * soft * _f4(0.35)
            ambient = sky if k < 2 else np.sqrt(sky) if wrap > 0 else sky
            out[i, k] = tint[i, k] * (
                colours[0, k] * lit * softly_seen
                + (colours[1, k] * fill + colours[3, k] * up + colours[4, k] * (_f4(1) - up)) * ambient
                + colours[2, k] * rim
            )
        hx = vx + directions[0, 0]
        hy = vy + directions[0, 1]
        hz = vz + directions[0, 2]
        inverse = _f4(1) / np.sqrt(hx * hx + hy * hy + hz * hz)
        h = max(_f4(0), (nx * hx + ny * hy + nz * hz) * inverse)
        h4 = h * h
        h4 *= h4
        h8 = h4 * h4
        h32 = h8 * h8
        h32 *= h32
        hx = vx + directions[1, 0]
        hy = vy + directions[1, 1]
        hz = vz + directions[1, 2]
        inverse = _f4(1) / np.sqrt(hx * hx + hy * hy + hz * hz)
        g = max(_f4(0), (nx * hx + ny * hy + nz * hz) * inverse)
        g *= g
        g *= g
        g *= g
        shine = (h8 * _f4(0.10) + h32 * _f4(0.22)) * seen * (_f4(0.5) + _f4(0.5) * sky) + g * _f4(0.03) * sky
        out[i, 3] = tint[i, 3] * (gloss[i] * shine + rim * _f4(0.03))


@_kernel
def fill(points, triangles, light, uv, texture, tone, picture, depth, depth_bias, cull, see_through):
    """Draws triangles with a smoothly sampled float32 texture; ``see_through`` uses its fourth channel as opacity."""
    height = picture.shape[0]
    width = picture.shape[1]
    rows = texture.shape[0]
    columns = texture.shape[1]
    last = tone.shape[0] - 1
    for t in range(triangles.shape[0]):
        a = triangles[t, 0]
        b = triangles[t, 1]
        c = triangles[t, 2]
        x0 = points[a, 0]
        y0 = points[a, 1]
        x1 = points[b, 0]
        y1 = points[b, 1]
        x2 = points[c, 0]
        y2 = points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= -1e-6 and (cull or area < 1e-6):
            continue
        left = max(0, int(np.ceil(min(x0, x1, x2) - _f4(0.5))))
        right = min(width - 1, int(np.floor(max(x0, x1, x2) - _f4(0.5))))
        top = max(0, int(np.ceil(min(y0, y1, y2) - _f4(0.5))))
        bottom = min(height - 1, int(np.floor(max(y0, y1, y2) - _f4(0.5))))
        if left > right or top > bottom:
            continue
        inverse = _f4(1) / area
        d1x = (y2 - y0) * inverse
        d1y = -(x2 - x0) * inverse
        d2x = -(y1 - y0) * inverse
        d2y = (x1 - x0) * inverse
        z0 = points[a, 2] + depth_bias
        dz1 = points[b, 2] - points[a, 2]
        dz2 = points[c, 2] - points[a, 2]
        u0 = uv[a, 0] * columns - _f4(0.5)
        du1 = (uv[b, 0] - uv[a, 0]) * columns
        du2 = (uv[c, 0] - uv[a, 0]) * columns
        v0 = uv[a, 1] * rows - _f4(0.5)
        dv1 = (uv[b, 1] - uv[a, 1]) * rows
        dv2 = (uv[c, 1] - uv[a, 1]) * rows
        for y in range(top, bottom + 1):
            py = _f4(y) + _f4(0.5) - y0
            px = _f4(left) + _f4(0.5) - x0
            w1 = px * d1x + py * d1y
            w2 = px * d2x + py * d2y
            for x in range(left, right + 1):
                if w1 >= 0 and w2 >= 0 and w1 + w2 <= 1:
                    z = z0 + w1 * dz1 + w2 * dz2
                    if z > depth[y, x]:
                        u = u0 + w1 * du1 + w2 * du2
                        v = v0 + w1 * dv1 + w2 * dv2
                        if u < 0:
                            u = _f4(0)
                        if v < 0:
                            v = _f4(0)
                        iu = int(u)
                        iv = int(v)
                        if iu > columns - 2:
                            iu = columns - 2
                        if iv > rows - 2:
                            iv = rows - 2
                        fu = u - iu
                        fv = v - iv
                        q00 = (1 - fu) * (1 - fv)
                        q10 = fu * (1 - fv)
                        q01 = (1 - fu) * fv
                        q11 = fu * fv
                        w0 = _f4(1) - w1 - w2
                        shine = w0 * light[a, 3] + w1 * light[b, 3] + w2 * light[c, 3]
                        opacity = _f4(1)
                        if see_through:
                            opacity = (
                                q00 * texture[iv, iu, 3]
                                + q10 * texture[iv, iu + 1, 3]
                                + q01 * texture[iv + 1, iu, 3]
                                + q11 * texture[iv + 1, iu + 1, 3]
                            )
                        # Nearly clear texels leave no trace; half clear ones let what is behind be drawn later.
                        if opacity >= _f4(0.02):
                            if opacity > _f4(0.6):
                                depth[y, x] = z
                            for k in range(3):
                                lit = w0 * light[a, k] + w1 * light[b, k] + w2 * light[c, k]
                                colour = (
                                    q00 * texture[iv, iu, k]
                                    + q10 * texture[iv, iu + 1, k]
                                    + q01 * texture[iv + 1, iu, k]
                                    + q11 * texture[iv + 1, iu + 1, k]
                                )
                                j = min(last, max(0, int((colour * lit + shine) * _f4(512))))
                                if see_through:
                                    below = _f4(picture[y, x, k])
                                    picture[y, x, k] = np.uint8(below + (_f4(tone[j]) - below) * opacity)
                                else:
                                    picture[y, x, k] = tone[j]
                w1 += d1x
                w2 += d2x


@_kernel
def fill_skin(points, triangles, light, uv, texture, decode, tone, picture, depth):
    """Draws front-facing triangles with the nearest texel of a uint8 texture; ``decode`` (256,) gives its reflectance.

    About one texel lies under one fine pixel, so smooth sampling would change nothing but the cost.
    """
    height = picture.shape[0]
    width = picture.shape[1]
    rows = texture.shape[0]
    columns = texture.shape[1]
    last = tone.shape[0] - 1
    for t in range(triangles.shape[0]):
        a = triangles[t, 0]
        b = triangles[t, 1]
        c = triangles[t, 2]
        x0 = points[a, 0]
        y0 = points[a, 1]
        x1 = points[b, 0]
        y1 = points[b, 1]
        x2 = points[c, 0]
        y2 = points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= _f4(-1e-6):
            continue
        left = int(np.ceil(min(x0, x1, x2) - _f4(0.5)))
        right = int(np.floor(max(x0, x1, x2) - _f4(0.5)))
        top = int(np.ceil(min(y0, y1, y2) - _f4(0.5)))
        bottom = int(np.floor(max(y0, y1, y2) - _f4(0.5)))
        if left < 0:
            left = 0
        if top < 0:
            top = 0
        if right > width - 1:
            right = width - 1
        if bottom > height - 1:
            bottom = height - 1
        if left > right or top > bottom:
            continue
        inverse = _f4(1) / area
        d1x = (y2 - y0) * inverse
        d1y = -(x2 - x0) * inverse
        d2x = -(y1 - y0) * inverse
        d2y = (x1 - x0) * inverse
        z0 = points[a, 2]
        dz1 = points[b, 2] - z0
        dz2 = points[c, 2] - z0
        u0 = uv[a, 0] * columns
        du1 = (uv[b, 0] - uv[a, 0]) * columns
        du2 = (uv[c, 0] - uv[a, 0]) * columns
        v0 = uv[a, 1] * rows
        dv1 = (uv[b, 1] - uv[a, 1]) * rows
        dv2 = (uv[c, 1] - uv[a, 1]) * rows
        blue0 = light[a, 0] * _f4(512)
        blue1 = light[b, 0] * _f4(512) - blue0
        blue2 = light[c, 0] * _f4(512) - blue0
        green0 = light[a, 1] * _f4(512)
        green1 = light[b, 1] * _f4(512) - green0
        green2 = light[c, 1] * _f4(512) - green0
        red0 = light[a, 2] * _f4(512)
        red1 = light[b, 2] * _f4(512) - red0
        red2 = light[c, 2] * _f4(512) - red0
        shine0 = light[a, 3] * _f4(512)
        shine1 = light[b, 3] * _f4(512) - shine0
        shine2 = light[c, 3] * _f4(512) - shine0
        # Each edge bounds the row on one side: pixels within [from, to] are inside, no pixel needs to be tested.
        d0x = -(d1x + d2x)
        inv0 = _f4(1) / d0x if d0x != 0 else _f4(0)
        inv1 = _f4(1) / d1x if d1x != 0 else _f4(0)
        inv2 = _f4(1) / d2x if d2x != 0 else _f4(0)
        px = _f4(left) + _f4(0.5) - x0
        for y in range(top, bottom + 1):
            py = _f4(y) + _f4(0.5) - y0
            w1 = px * d1x + py * d1y
            w2 = px * d2x + py * d2y
            w0 = _f4(1) - w1 - w2
            start = _f4(0)
            stop = _f4(right - left)
            if d1x > 0:
                start = max(start, -w1 * inv1)
            elif d1x < 0:
                stop = min(stop, -w1 * inv1)
            elif w1 < 0:
                continue
            if d2x > 0:
                start = max(start, -w2 * inv2)
            elif d2x < 0:
                stop = min(stop, -w2 * inv2)
            elif w2 < 0:
                continue
            if d0x > 0:
                start = max(start, -w0 * inv0)
            elif d0x < 0:
                stop = min(stop, -w0 * inv0)
            elif w0 < 0:
                continue
            # A hundredth of a pixel more on both sides: a pixel drawn twice is not seen, a gap is.
            first = int(np.ceil(start - _f4(0.01)))
            end = int(np.floor(stop + _f4(0.01)))
            if first > end:
                continue
            w1 += first * d1x
            w2 += first * d2x
            for x in range(left + first, left + end + 1):
                z = z0 + w1 * dz1 + w2 * dz2
                if z > depth[y, x]:
                    depth[y, x] = z
                    iu = min(columns - 1, max(0, int(u0 + w1 * du1 + w2 * du2)))
                    iv = min(rows - 1, max(0, int(v0 + w1 * dv1 + w2 * dv2)))
                    shine = shine0 + w1 * shine1 + w2 * shine2
                    j = int(decode[texture[iv, iu, 0]] * (blue0 + w1 * blue1 + w2 * blue2) + shine)
                    picture[y, x, 0] = tone[min(last, max(0, j))]
                    j = int(decode[texture[iv, iu, 1]] * (green0 + w1 * green1 + w2 * green2) + shine)
                    picture[y, x, 1] = tone[min(last, max(0, j))]
                    j = int(decode[texture[iv, iu, 2]] * (red0 + w1 * red1 + w2 * red2) + shine)
                    picture[y, x, 2] = tone[min(last, max(0, j))]
                w1 += d1x
                w2 += d2x


@_kernel
def fill_depth(points, triangles, depth):
    """Draws triangles, both sides, into a depth picture only."""
    height = depth.shape[0]
    width = depth.shape[1]
    for t in range(triangles.shape[0]):
        a = triangles[t, 0]
        b = triangles[t, 1]
        c = triangles[t, 2]
        x0 = points[a, 0]
        y0 = points[a, 1]
        x1 = points[b, 0]
        y1 = points[b, 1]
        x2 = points[c, 0]
        y2 = points[c, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-6:
            continue
        left = max(0, int(np.ceil(min(x0, x1, x2) - 0.5)))
        right = min(width - 1, int(np.floor(max(x0, x1, x2) - 0.5)))
        top = max(0, int(np.ceil(min(y0, y1, y2) - 0.5)))
        bottom = min(height - 1, int(np.floor(max(y0, y1, y2) - 0.5)))
        inverse = 1 / area
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px = x + 0.5 - x0
                py = y + 0.5 - y0
                w1 = (px * (y2 - y0) - py * (x2 - x0)) * inverse
                w2 = (py * (x1 - x0) - px * (y1 - y0)) * inverse
                if w1 >= 0 and w2 >= 0 and w1 + w2 <= 1:
                    z = points[a, 2] + w1 * (points[b, 2] - points[a, 2]) + w2 * (points[c, 2] - points[a, 2])
                    if z > depth[y, x]:
                        depth[y, x] = z


@_kernel
def lay_moved(picture, sprite, occupied, right, down, cell_px, x0, y0, is_smooth):
    """Lays a BGRA sprite with premultiplied opacity over the picture, its corner at ``x0``, ``y0``, each pixel moved.

    ``picture`` and ``sprite`` (h, w) uint32: a pixel each, little-endian BGRA. ``right`` and ``down`` (rows + 1, columns + 1)
    float32: how far the sprite's point that comes to lie at the corner of each cell of ``cell_px`` was moved; linear between.
    ``occupied`` (rows, columns) uint8: whether anything is drawn in or next to a cell. ``is_smooth`` blends the four nearest
    pixels of the sprite; without it the nearest one is taken, which costs half.
    """
    height = sprite.shape[0]
    width = sprite.shape[1]
    share = _f4(1) / _f4(cell_px)
    # Two channels are worked on at once: blue and red, green and opacity, each with 8 bits to spare.
    lanes = np.uint64(0x00FF00FF)
    byte = np.uint64(8)
    for i in range(right.shape[0] - 1):
        for j in range(right.shape[1] - 1):
            middle_x = j * cell_px + cell_px // 2 - right[i, j]
            middle_y = i * cell_px + cell_px // 2 - down[i, j]
            ci = int(middle_y) // cell_px
            cj = int(middle_x) // cell_px
            if middle_x < 0 or middle_y < 0 or ci >= occupied.shape[0] or cj >= occupied.shape[1]:
                continue
            if not occupied[ci, cj]:
                continue
            top = i * cell_px
            left = j * cell_px
            for y in range(top, min(top + cell_px, height)):
                fy = _f4(y - top) * share
                start_x = right[i, j] + (right[i + 1, j] - right[i, j]) * fy
                step_x = (right[i, j + 1] + (right[i + 1, j + 1] - right[i, j + 1]) * fy - start_x) * share
                start_y = down[i, j] + (down[i + 1, j] - down[i, j]) * fy
                step_y = (down[i, j + 1] + (down[i + 1, j + 1] - down[i, j + 1]) * fy - start_y) * share
                from_x = _f4(left) - start_x
                from_y = _f4(y) - start_y
                for x in range(left, min(left + cell_px, width)):
                    along = _f4(x - left)
                    u = from_x + along * (_f4(1) - step_x)
                    v = from_y - along * step_y
                    if u < 0 or v < 0:
                        continue
                    iu = int(u)
                    iv = int(v)
                    if iu > width - 2 or iv > height - 2:
                        continue
                    if not is_smooth:
                        p00 = np.uint64(sprite[int(v + _f4(0.5)), int(u + _f4(0.5))])
                        clear = np.uint64(255) - (p00 >> np.uint64(24))
                        if clear == 0:
                            picture[y0 + y, x0 + x] = np.uint32(p00)
                        elif clear < 255:
                            clear += clear >> np.uint64(7)
                            below = np.uint64(picture[y0 + y, x0 + x])
                            red_blue = (p00 & lanes) + ((below & lanes) * clear >> byte & lanes)
                            green = (p00 >> byte & lanes) + ((below >> byte & lanes) * clear >> byte & lanes)
                            picture[y0 + y, x0 + x] = np.uint32(red_blue | green << byte)
                        continue
                    p00 = np.uint64(sprite[iv, iu])
                    p10 = np.uint64(sprite[iv, iu + 1])
                    p01 = np.uint64(sprite[iv + 1, iu])
                    p11 = np.uint64(sprite[iv + 1, iu + 1])
                    if p00 | p10 | p01 | p11 == 0:
                        continue
                    # Shares of the four neighbours in 1/256.
                    fu = int((u - _f4(iu)) * _f4(256))
                    fv = int((v - _f4(iv)) * _f4(256))
                    f11 = fu * fv >> 8
                    q11 = np.uint64(f11)
                    q10 = np.uint64(fu - f11)
                    q01 = np.uint64(fv - f11)
                    q00 = np.uint64(256 - fu - fv + f11)
                    red_blue = (
                        q00 * (p00 & lanes) + q10 * (p10 & lanes) + q01 * (p01 & lanes) + q11 * (p11 & lanes)
                    )
                    rest = q00 * (p00 >> byte & lanes) + q10 * (p10 >> byte & lanes)
                    rest += q01 * (p01 >> byte & lanes) + q11 * (p11 >> byte & lanes)
                    red_blue = red_blue >> byte & lanes
                    green = rest >> byte & lanes
                    clear = np.uint64(255) - (green >> np.uint64(16))
                    if clear:
                        clear += clear >> np.uint64(7)
                        below = np.uint64(picture[y0 + y, x0 + x])
                        red_blue += (below & lanes) * clear >> byte & lanes
                        green += (below >> byte & lanes) * clear >> byte & lanes
                    picture[y0 + y, x0 + x] = np.uint32(red_blue | green << byte)


@_kernel
def draw_strands(
    points, colours, widths, order, front, back, head_depth, cloth_depth, front_z, back_z, z_step, back_below
):
    """Draws hair strands as smooth tapered capsules, the nearest (last in ``order``) first and each under what is there.

    The picture is that of a painter, who begins with the farthest. But hair is many strands deep, and where it is opaque
    already the others cost next to nothing.

    ``points`` (s, k + 1, 3) projected, ``colours`` (s, k + 1, c) any values at the joints, blended between them, ``front``
    and ``back`` (h, w, c + 1) float32: the values times the opacity, and the opacity. What lies behind the head, or deeper
    than ``back_below``, goes to ``back`` (to nothing when ``back_below`` is under -50); what lies behind the cloth goes to
    nothing. ``front_z`` and ``back_z`` hold the nearest z plus 3 of each ``z_step`` pixels.
    """
    height = front.shape[0]
    width = front.shape[1]
    channels = colours.shape[2]
    segments = points.shape[1] - 1
    for o in range(order.shape[0] - 1, -1, -1):
        i = order[o]
        for k in range(segments - 1, -1, -1):
            xa = points[i, k, 0]
            ya = points[i, k, 1]
            xb = points[i, k + 1, 0]
            yb = points[i, k + 1, 1]
            z = (points[i, k, 2] + points[i, k + 1, 2]) * _f4(0.5)
            xm = int((xa + xb) * _f4(0.5))
            ym = int((ya + yb) * _f4(0.5))
            if xm < 0 or ym < 0 or xm >= width or ym >= height:
                continue
            dx = xb - xa
            dy = yb - ya
            length2 = dx * dx + dy * dy
            if length2 < 1e-6:
                continue
            if z < cloth_depth[ym, xm]:
                continue
            is_back = z < head_depth[ym, xm] - _f4(0.05) or z < back_below
            if is_back and back_below < -50:
                continue
            nearest = back_z if is_back else front_z
            yq = ym // z_step
            xq = xm // z_step
            if nearest[yq, xq] < z + 3:
                nearest[yq, xq] = z + 3
            sprite = back if is_back else front
            radius = widths[i] * (_f4(1) - _f4(0.8) * k / segments) * _f4(0.5)
            drawn = max(radius, _f4(0.35))
            opacity = min(_f4(1), radius / _f4(0.35))
            left = max(0, int(min(xa, xb) - drawn - 1))
            right = min(width - 1, int(max(xa, xb) + drawn + 1))
            top = max(0, int(min(ya, yb) - drawn - 1))
            bottom = min(height - 1, int(max(ya, yb) + drawn + 1))
            # A row is only looked at near the strand: the box of a long slanting one is nearly empty.
            reach = (drawn + 1) * np.sqrt(length2)
            for y in range(top, bottom + 1):
                first = left
                last = right
                if abs(dy) > _f4(0.5):
                    middle = xa + (y + _f4(0.5) - ya) * dx / dy
                    half = reach / abs(dy) + abs(dx / dy)
                    first = max(left, int(middle - half))
                    last = min(right, int(middle + half) + 1)
                for x in range(first, last + 1):
                    room = _f4(1) - sprite[y, x, channels]
                    if room < _f4(0.002):
                        continue
                    px = x + _f4(0.5) - xa
                    py = y + _f4(0.5) - ya
                    t = min(_f4(1), max(_f4(0), (px * dx + py * dy) / length2))
                    ex = px - t * dx
                    ey = py - t * dy
                    cover = drawn + _f4(0.5) - np.sqrt(ex * ex + ey * ey)
                    if cover <= 0:
                        continue
                    cover = min(_f4(1), cover) * opacity * room
                    for m in range(channels):
                        value = colours[i, k, m] + (colours[i, k + 1, m] - colours[i, k, m]) * t
                        sprite[y, x, m] += value * cover
                    sprite[y, x, channels] += cover


@_kernel
def mark_edges(picture, depth, step, contrast, marks):
    """``marks`` (h, w) uint8: 1 where the surface breaks off towards the pixel below, 2 towards the one to the right, 3 both.

    A break is a step in depth of more than ``step`` between two pixels that also look different: more than ``contrast`` of
    their 765 grey steps apart.
    """
    height = depth.shape[0]
    width = depth.shape[1]
    marks[height - 1] = 0
    for y in range(height - 1):
        marked = 0
        for x in range(width - 1):
            z = depth[y, x]
            down = abs(depth[y + 1, x] - z) > step
            right = abs(depth[y, x + 1] - z) > step
            mark = np.uint8(down) | np.uint8(right) << np.uint8(1)
            marks[y, x] = mark
            marked |= mark
        marks[y, width - 1] = 0
        if marked == 0:
            continue
        for x in range(width - 1):
            mark = marks[y, x]
            if mark:
                if mark & 1 and not _differs(picture, y, x, y + 1, x, contrast):
                    mark &= np.uint8(2)
                if mark & 2 and not _differs(picture, y, x, y, x + 1, contrast):
                    mark &= np.uint8(1)
                marks[y, x] = mark


@_kernel
def _differs(picture, y, x, other_y, other_x, contrast):
    """Whether two pixels are more than ``contrast`` of their 765 grey steps apart."""
    # In floats, since the difference of two unsigned bytes wraps round.
    apart = _f4(0)
    for k in range(3):
        apart += abs(_f4(picture[y, x, k]) - _f4(picture[other_y, other_x, k]))
    return apart > contrast


@_kernel
def soften_edges(picture, marks):
    """Smooths the stairs along the edges that `mark_edges` marked: each pixel gets its true share of either side.

    Morphological anti-aliasing (Reshetov 2009): a run of edges in one direction is a step of a stair. The true outline runs
    from the middle of the riser at one end to the middle of the riser at the other, and each pixel takes from its neighbour
    across the edge the share that lies on the neighbour's side of that line.
    """
    for y in range(1, marks.shape[0] - 1):
        for x in range(1, marks.shape[1] - 1):
            mark = marks[y, x]
            if mark == 0:
                continue
            if mark & 1 and not marks[y, x - 1] & 1:
                _soften_run(picture, marks, y, x, 0, 1, np.uint8(1), np.uint8(2))
            if mark & 2 and not marks[y - 1, x] & 2:
                _soften_run(picture, marks, y, x, 1, 0, np.uint8(2), np.uint8(1))


@_kernel
def _soften_run(picture, marks, y, x, dy, dx, edge, riser):
    """Smooths one run of marks ``edge`` that begins at a pixel and goes on by ``dy``, ``dx``; ``riser`` marks its ends."""
    length = 1
    end_y = y + dy
    end_x = x + dx
    while end_y < marks.shape[0] - 1 and end_x < marks.shape[1] - 1 and marks[end_y, end_x] & edge:
        length += 1
        end_y += dy
        end_x += dx
    # A riser on the near side of the edge pulls the outline there, one on the far side pulls it away.
    before = _f4(marks[y - dy, x - dx] & riser) - _f4(marks[y - dy + dx, x - dx + dy] & riser)
    after = _f4(marks[end_y - dy, end_x - dx] & riser) - _f4(marks[end_y - dy + dx, end_x - dx + dy] & riser)
    if before == 0 and after == 0:
        return
    for i in range(length):
        at = (_f4(i) + _f4(0.5)) / _f4(length)
        pull = before if at < _f4(0.5) else after
        if pull == 0:
            continue
        share = abs(_f4(0.5) - at)
        near_y = y + i * dy
        near_x = x + i * dx
        far_y = near_y + dx
        far_x = near_x + dy
        for k in range(3):
            near = _f4(picture[near_y, near_x, k])
            far = _f4(picture[far_y, far_x, k])
            if pull > 0:
                picture[near_y, near_x, k] = np.uint8(near + (far - near) * share + _f4(0.5))
            else:
                picture[far_y, far_x, k] = np.uint8(far + (near - far) * share + _f4(0.5))

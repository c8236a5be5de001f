"""Sailing boats, motor boats, cargo and passenger ships, warships and submarines; the bow points to -z."""

from itertools import product

import numpy as np
from numpy.random import Generator

from datasets.shapes13.assembly import Assembly, Color
from datasets.shapes13.draws import any_of, chance, dark, fabric, glass, grey, light, metal, paint, pick, vivid, wood
from datasets.shapes13.parts import Point, bars, box, cylinder, extrude, loft, revolve, rod


def vessel(assembly: Assembly, rng: Generator) -> None:
    """One vessel of a random layout."""
    layouts = [_sailboat, _motorboat, _cargo_ship, _liner, _warship, _rowboat, _submarine]
    pick(layouts, rng, (0.25, 0.2, 0.18, 0.1, 0.15, 0.07, 0.05))(assembly, rng)


def _hull(ship: Assembly, size: Point, lines: Point, hull: Color, deck: Color, rng: Generator) -> None:
    """A closed hull of a size (length, beam, depth), its deck at y = 0 amidships.

    `lines` is what raises the bow, the transom's relative width, and the share of the length up to the full beam.
    Antifouling below, maybe a stripe, and the deck on faces that look up.
    """
    (length, beam, depth), (sheer, stern, fullness) = size, lines
    share = np.linspace(0, 1, 11)[:, None]
    width = np.clip(np.sin(np.pi / 2 * np.clip(share / fullness, 0, 1)) ** 0.7, 0.02, 1)
    width = width * np.interp(share, [0, 0.7, 1], [1, 1, stern])
    edge = sheer * np.clip(1 - share / 0.6, 0, 1) ** 2 + 0.25 * sheer * np.clip(share - 0.6, 0, 1)
    keel = -depth * np.interp(share, [0, 0.12, 0.3, 0.85, 1], [0.35, 0.75, 1, 1, 0.7])
    z = (share - 0.5) * length
    z_low = z + 0.07 * length * np.clip(1 - share / 0.35, 0, 1)
    across = np.array([0.5, 0.82, 1.0, 0.93, -0.93, -1.0, -0.82, -0.5])
    up = np.array([0.06, 0.4, 0.97, 1.0, 1.0, 0.97, 0.4, 0.06])
    mesh = loft(beam / 2 * width * across, keel + (edge - keel) * up, z_low + (z - z_low) * up)
    bottom, stripe = pick([(0.5, 0.12, 0.1), dark(rng), paint(rng), hull], rng), vivid(rng)
    stripe = stripe if chance(0.4, rng) else hull
    height, upward = mesh.triangles_center[:, 1:2], mesh.face_normals[:, 1:2] > 0.75
    below = [height <= share * depth for share in (-0.6, -0.25, -0.12)]
    ship.add(mesh, np.select([upward, *below], [deck, bottom, hull, stripe], hull))


def _sailboat(boat: Assembly, rng: Generator) -> None:
    length, beam, depth = rng.uniform(0.6, 0.9), rng.uniform(0.18, 0.26), rng.uniform(0.09, 0.14)
    hull, deck = any_of(rng, light, paint, wood), any_of(rng, wood, light)
    _hull(boat, (length, beam, depth), (0.05, 0.6, 0.55), hull, deck, rng)
    boat.add(box((beam * 0.5, 0.06, length * 0.3), (0, 0.03, 0), top=(0.8, 0.8)), light(rng))
    boat.add(box((beam * 0.505, 0.02, length * 0.2), (0, 0.035, 0), top=(0.9, 1)), glass(rng))
    spar, masts = any_of(rng, metal, wood, light), pick([1, 1, 2, 3], rng)
    height, cloth = rng.uniform(0.75, 1.0), light(rng) if chance(0.6, rng) else fabric(rng)
    square = masts > 1 and chance(0.6, rng)
    for z in np.linspace(-0.28, 0.2, masts) * length if masts > 1 else (-0.08 * length,):
        tall = height * rng.uniform(0.8, 1.0)
        boat.add(rod((0, 0, z), (0, tall, z), 0.012, 0.006), spar)
        if square:
            for low, high in ((0.2, 0.5), (0.53, 0.78)):
                size = (2 * (beam * rng.uniform(0.7, 1.0) * (1.3 - high)), (high - low) * tall, 0.012)
                boat.add(box(size, (0, (low + high) / 2 * tall, z - 0.02), top=(0.8, 1)), cloth)
        else:
            end, luff = z + min(length / masts * 0.8, 0.48 * length), z + 0.015
            boat.add(extrude([(luff, 0.12), (end, 0.13), (luff, tall * 0.96)], 0.008, "x"), cloth)
            boat.add(rod((0, 0.11, z), (0, 0.12, end), 0.008), spar)
    if not square:
        luff = -0.1 * length
        jib = extrude([(-length / 2 + 0.02, 0.07), (luff, 0.1), (luff, height * 0.75)], 0.008, "x")
        boat.add(jib, cloth if chance(0.6, rng) else vivid(rng))
    if chance(0.4, rng):
        boat.add(box((0.02, 0.13, 0.16), (0, -depth - 0.05, 0)), dark(rng))


def _motorboat(boat: Assembly, rng: Generator) -> None:
    beam, depth, sheer = rng.uniform(0.24, 0.34), rng.uniform(0.11, 0.16), rng.uniform(0.03, 0.08)
    hull, pane = any_of(rng, light, light, paint, vivid), glass(rng)
    _hull(boat, (1, beam, depth), (sheer, 0.9, 0.6), hull, any_of(rng, light, wood), rng)
    top, low = light(rng) if chance(0.7, rng) else hull, 0.0
    size = np.array([beam * 0.75, 0.07, rng.uniform(0.35, 0.55)])
    for _ in range(pick([1, 2, 2, 3], rng)):
        y, z = low + size[1] / 2, 0.06 + low * 0.5
        boat.add(box(size, (0, y, z), top=(0.9, 0.8), lean=(0, 0.04)), top)
        boat.add(box(size * (1.01, 0.45, 0.92), (0, y + 0.01, z + 0.005), top=(0.94, 0.9), lean=(0, 0.02)), pane)
        low, size = low + size[1], size * (0.85, 0.9, 0.65)
    if chance(0.6, rng):
        boat.add(rod((0, low, 0.1), (0, low + 0.1, 0.13), 0.008), metal(rng))
    if chance(0.5, rng):
        rail = [(0.05, sheer + 0.06, -0.42), (beam * 0.4, 0.07, -0.15), (beam * 0.42, 0.05, 0.1)]
        boat.pair(bars(rail, 0.006, 4), metal(rng))
    if chance(0.35, rng):
        boat.add(box((0.06, 0.12, 0.06), (0, -0.02, 0.52)), dark(rng))


def _cargo_ship(ship: Assembly, rng: Generator) -> None:
    beam, depth = rng.uniform(0.14, 0.2), rng.uniform(0.07, 0.11)
    hull, deck = paint(rng), pick([grey(0.3, 0.6, rng), (0.4, 0.2, 0.15), (0.2, 0.35, 0.25)], rng)
    _hull(ship, (1, beam, depth), (0.03, 0.85, 0.3), hull, deck, rng)
    color, z = light(rng) if chance(0.8, rng) else paint(rng), rng.uniform(0.3, 0.4)
    length, decks, low, pane = 0.12, rng.integers(2, 5), 0.0, glass(rng)
    for level in range(decks):
        scale = 1 - 0.12 * level
        ship.add(box((beam * 0.8 * scale, 0.035, length * scale), (0, low + 0.0175, z)), color)
        ship.add(box((beam * 0.8 * scale * 1.01, 0.012, length * scale * 1.01), (0, low + 0.02, z)), pane)
        low += 0.035
    funnel, mast = z + length * 0.3, z - length * 0.3
    ship.add(cylinder(0.022, 0.08, (0, low + 0.03, funnel), end_radius=0.018), vivid(rng))
    ship.add(cylinder(0.023, 0.02, (0, low + 0.07, funnel), end_radius=0.02), dark(rng))
    ship.add(rod((0, low, mast), (0, low + 0.1, mast), 0.006), metal(rng))
    if chance(0.6, rng):
        rows, columns = pick([5, 6, 8], rng), pick([2, 3], rng)
        each = 0.62 / rows
        for row, column in product(range(rows), range(columns)):
            size = (beam * 0.8 / columns, 0.035 * rng.integers(1, 4), each * 0.88)
            x, z = (column - (columns - 1) / 2) * beam * 0.85 / columns, -0.38 + (row + 0.5) * each
            ship.add(box(size, (x, size[1] / 2 + 0.005, z)), paint(rng))
    else:
        for z in np.linspace(-0.3, 0.15, pick([3, 4, 5], rng)):
            ship.add(box((beam * 0.6, 0.03, 0.08), (0, 0.012, z)), paint(rng))
            ship.add(rod((0, 0, z + 0.06), (0, 0.16, z + 0.06), 0.008), metal(rng))
            ship.add(rod((0, 0.05, z + 0.06), (0, 0.13, z - 0.03), 0.006), metal(rng))


def _liner(ship: Assembly, rng: Generator) -> None:
    beam, depth = rng.uniform(0.14, 0.18), rng.uniform(0.08, 0.11)
    _hull(ship, (1, beam, depth), (0.03, 0.8, 0.4), any_of(rng, light, dark, paint), wood(rng), rng)
    low, pane, house = 0.0, glass(rng), light(rng)
    for deck in range(rng.integers(2, 5)):
        length = 0.72 - 0.08 * deck
        ship.add(box((beam * (0.88 - 0.06 * deck), 0.034, length), (0, low + 0.017, 0.03), top=(1, 0.98)), house)
        ship.add(box((beam * (0.89 - 0.06 * deck), 0.012, length * 0.97), (0, low + 0.02, 0.03)), pane)
        low += 0.034
    funnel, count = vivid(rng), pick([1, 2, 3, 4], rng)
    for z in np.linspace(-0.12, 0.2, count) if count > 1 else (0.1,):
        ship.add(cylinder(0.028, 0.1, (0, low + 0.04, z), end_radius=0.024), funnel)
        ship.add(cylinder(0.027, 0.02, (0, low + 0.09, z)), dark(rng))
    for z in (-0.36, 0.4):
        ship.add(rod((0, 0, z), (0, 0.2, z), 0.006), metal(rng))


def _warship(ship: Assembly, rng: Generator) -> None:
    beam, depth = rng.uniform(0.1, 0.15), rng.uniform(0.05, 0.08)
    hull, carrier = grey(0.35, 0.65, rng) if chance(0.7, rng) else paint(rng), chance(0.2, rng)
    _hull(ship, (1, beam, depth), (0.03, 0.75, 0.5), hull, grey(0.3, 0.6, rng), rng)
    if carrier:
        outline = [(0.03, -0.5), (0.11, -0.2), (0.11, 0.5), (-0.09, 0.5), (-0.12, 0.1), (-0.05, -0.5)]
        ship.add(extrude(outline, 0.025, "y", offset=0.04), grey(0.2, 0.4, rng))
        ship.add(box((0.008, 0.004, 0.8), (0.01, 0.055, 0)), light(rng))
        ship.add(box((0.04, 0.1, 0.14), (0.085, 0.1, 0.08), top=(0.8, 0.7)), hull)
        ship.add(rod((0.085, 0.15, 0.08), (0.085, 0.22, 0.08), 0.006), metal(rng))
        return
    color = hull if chance(0.6, rng) else grey(0.25, 0.6, rng)
    for z, y, reach in ((-0.3, 0.0, -0.1), (-0.2, 0.025, -0.1), (0.3, 0.0, 0.1))[: pick([2, 3], rng)]:
        ship.add(box((beam * 0.45, 0.035, 0.07), (0, 0.02 + y, z), top=(0.8, 0.8)), color)
        for x in (-0.012, 0.012):
            ship.add(rod((x, 0.03 + y, z), (x, 0.04 + y, z + reach), 0.006, sections=6), dark(rng))
    height = 0.0
    for length in (rng.uniform(0.3, 0.4), 0.2, 0.1):
        ship.add(box((beam * 0.6, 0.05, length), (0, height + 0.025, 0.03), top=(0.85, 0.85)), hull)
        height += 0.05
    ship.add(rod((0, height, 0), (0, height + 0.12, 0), 0.01, 0.005), hull)
    ship.add(cylinder(0.025, 0.08, (0, 0.11, 0.13), end_radius=0.02), dark(rng))
    ship.add(box((0.09, 0.012, 0.012), (0, height + 0.07, 0)), hull)


def _rowboat(boat: Assembly, rng: Generator) -> None:
    beam, depth = rng.uniform(0.26, 0.36), rng.uniform(0.12, 0.18)
    hull, inside = any_of(rng, wood, paint, vivid), any_of(rng, wood, light)
    _hull(boat, (0.95, beam, depth), (0.06, pick([0.15, 0.7], rng), 0.5), hull, inside, rng)
    rail = wood(rng)
    for z in np.linspace(-0.15, 0.3, pick([2, 3], rng)):
        boat.add(box((beam * 0.95, 0.018, 0.08), (0, 0.02, z)), rail)
    if chance(0.7, rng):
        blade = (beam * 1.3, -0.04, -0.1)
        boat.pair(rod((beam * 0.42, 0.03, 0.05), blade, 0.009), rail)
        boat.pair(box((0.09, 0.01, 0.04), blade), rail)


def _submarine(boat: Assembly, rng: Generator) -> None:
    radius, hull = rng.uniform(0.05, 0.08), dark(rng) if chance(0.6, rng) else paint(rng)
    share = np.linspace(0, 1, 14)
    bow, stern = np.clip(1 - share / 0.15, 0, 1), np.clip((1 - share) / 0.35, 0.0, 1)
    shape = np.sqrt(np.clip(1 - bow**2, 0, 1)) * stern**0.6
    boat.add(revolve(np.stack([radius * shape, share - 0.5], axis=-1), axis="z"), hull)
    boat.add(box((radius * 0.5, radius * 1.4, 0.16), (0, radius * 1.3, -0.1), top=(0.8, 0.85)), hull)
    boat.add(rod((0, radius * 2, -0.1), (0, radius * 3, -0.1), 0.007), metal(rng))
    boat.add(box((radius * 3, 0.012, 0.06), (0, radius * 1.5, -0.1)), hull)
    for size in ((radius * 3.2, 0.012, 0.07), (0.012, radius * 3, 0.07)):
        boat.add(box(size, (0, 0, 0.42)), paint(rng))

"""Refiners: networks that sharpen a rendered view, patch by patch."""

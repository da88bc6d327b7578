#!/usr/bin/env python3
import json
import os
import sys
